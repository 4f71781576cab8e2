BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE counters (
	name TEXT NOT NULL, 
	next BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "counters" VALUES('ref',19);
CREATE TABLE delivered (
	target TEXT NOT NULL, 
	ref INTEGER NOT NULL, 
	kind SMALLINT NOT NULL, 
	"key" TEXT NOT NULL, 
	digest BIGINT NOT NULL, 
	active SMALLINT NOT NULL, 
	left_at TEXT, 
	sure SMALLINT NOT NULL, 
	shape TEXT NOT NULL, 
	PRIMARY KEY (target, ref)
)
 WITHOUT ROWID

;
INSERT INTO "delivered" VALUES('app',1,0,'"u01"',736203582321037802,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Ada","division":null,"email":"ada@acme.example","employeeNumber":"1","familyName":null,"givenName":null,"id":"u01","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',2,0,'"u02"',9179557174838008808,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Bo","division":null,"email":"bo@acme.example","employeeNumber":"2","familyName":null,"givenName":null,"id":"u02","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',3,0,'"u03"',5139532837490365706,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Cy","division":null,"email":"cy@acme.example","employeeNumber":"3","familyName":null,"givenName":null,"id":"u03","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',4,0,'"u04"',-5191835420154086202,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Di","division":null,"email":"di@acme.example","employeeNumber":"4","familyName":null,"givenName":null,"id":"u04","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',5,0,'"u05"',737379089461920863,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Eve","division":null,"email":"u03","employeeNumber":"5","familyName":null,"givenName":null,"id":"u05","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',6,0,'"u06"',-4874458839643691458,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Fay","division":null,"email":"fay@acme.example","employeeNumber":"6","familyName":null,"givenName":null,"id":"u06","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',7,0,'"u07"',8750989358361928149,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Gus","division":null,"email":"gus@acme.example","employeeNumber":"7","familyName":null,"givenName":null,"id":"u07","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',8,0,'"u08"',8554416975574579218,0,NULL,1,'{"active":false,"costCenter":null,"createdAt":null,"department":null,"displayName":"Hal","division":null,"email":"hal@acme.example","employeeNumber":"8","familyName":null,"givenName":null,"id":"u08","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',9,0,'"u09"',-1818141267115778581,0,'2026-11-27T06:21:28.253359+00:00',1,'{"active":false,"costCenter":null,"createdAt":null,"department":null,"displayName":"Ida","division":null,"email":"ida@acme.example","employeeNumber":"9","familyName":null,"givenName":null,"id":"u09","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',11,0,'"u11"',-3587614981239206839,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Kim","division":null,"email":"kim@acme.example","employeeNumber":"11","familyName":null,"givenName":null,"id":"u11","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',12,1,'"g1"',-4037788058178892089,1,NULL,1,'{"description":null,"displayName":"staff","email":null,"id":"g1"}');
INSERT INTO "delivered" VALUES('app',13,1,'"g2"',-7355969891854145753,1,NULL,1,'{"description":null,"displayName":"g3","email":null,"id":"g2"}');
INSERT INTO "delivered" VALUES('app',14,1,'"g3"',-5199113932877035288,1,NULL,1,'{"description":null,"displayName":"tools","email":null,"id":"g3"}');
INSERT INTO "delivered" VALUES('app',15,1,'"g4"',3500251147580286006,1,NULL,1,'{"description":null,"displayName":"board","email":null,"id":"g4"}');
INSERT INTO "delivered" VALUES('app',16,0,'"u01"',-3624923094157764046,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Zoe","division":null,"email":"zoe@branch.example","employeeNumber":"1","familyName":null,"givenName":null,"id":"u01","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',17,0,'"u02"',-271225292530781084,1,NULL,1,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Yan","division":null,"email":"yan@branch.example","employeeNumber":"2","familyName":null,"givenName":null,"id":"u02","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}');
INSERT INTO "delivered" VALUES('app',18,1,'"g1"',-7099917980952699711,1,NULL,1,'{"description":null,"displayName":"branch","email":null,"id":"g1"}');
CREATE TABLE delivered_members (
	target TEXT NOT NULL, 
	ref INTEGER NOT NULL, 
	given BLOB, 
	members BLOB NOT NULL, 
	PRIMARY KEY (target, ref)
)
 WITHOUT ROWID

;
INSERT INTO "delivered_members" VALUES('app',12,NULL,X'080000000B0000000D000000');
INSERT INTO "delivered_members" VALUES('app',13,NULL,X'0200000004000000060000000E000000');
INSERT INTO "delivered_members" VALUES('app',14,NULL,X'030000000500000007000000');
INSERT INTO "delivered_members" VALUES('app',15,NULL,X'01000000');
INSERT INTO "delivered_members" VALUES('app',18,NULL,X'1000000011000000');
CREATE TABLE deliveries (
	directory INTEGER NOT NULL, 
	target TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	PRIMARY KEY (directory, target), 
	FOREIGN KEY(directory) REFERENCES directories (id)
)
 WITHOUT ROWID

;
INSERT INTO "deliveries" VALUES(1,'app',2,'ecb494e1c98a2ac73eb718b9cf00882ea445b450489e358511057e5d02de212a direct');
INSERT INTO "deliveries" VALUES(2,'app',2,'ecb494e1c98a2ac73eb718b9cf00882ea445b450489e358511057e5d02de212a direct');
CREATE TABLE directories (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	cursor TEXT, 
	basis TEXT, 
	completed_at TEXT, 
	revision BIGINT NOT NULL, 
	users INTEGER NOT NULL, 
	groups INTEGER NOT NULL, 
	memberships INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "directories" VALUES(1,'acme',NULL,'649b419818b141303705890e476724a953e98f17f81e91b580805eef7e9be8b7','2026-11-27T06:21:28.210928+00:00',2,10,4,12);
INSERT INTO "directories" VALUES(2,'branch',NULL,'b20ecc927f8a0223006eb96bdfbe982b9b5daa6cf2988be252c6e697d5127b29','2026-11-27T06:21:28.389860+00:00',2,2,1,2);
CREATE TABLE journal (
	run TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	target TEXT NOT NULL, 
	op TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	"before" TEXT, 
	"after" TEXT, 
	members TEXT, 
	PRIMARY KEY (run, seq)
)
 WITHOUT ROWID

;
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',0,'app','create','user','u01','"u01"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Ada","division":null,"email":"ada@acme.example","employeeNumber":"1","familyName":null,"givenName":null,"id":"u01","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',1,'app','create','user','u02','"u02"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Bo","division":null,"email":"bo@acme.example","employeeNumber":"2","familyName":null,"givenName":null,"id":"u02","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',2,'app','create','user','u03','"u03"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Cy","division":null,"email":"cy@acme.example","employeeNumber":"3","familyName":null,"givenName":null,"id":"u03","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',3,'app','create','user','u04','"u04"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Di","division":null,"email":"di@acme.example","employeeNumber":"4","familyName":null,"givenName":null,"id":"u04","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',4,'app','create','user','u05','"u05"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Eve","division":null,"email":"u03","employeeNumber":"5","familyName":null,"givenName":null,"id":"u05","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',5,'app','create','user','u06','"u06"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Fay","division":null,"email":"fay@acme.example","employeeNumber":"6","familyName":null,"givenName":null,"id":"u06","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',6,'app','create','user','u07','"u07"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Gus","division":null,"email":"gus@acme.example","employeeNumber":"7","familyName":null,"givenName":null,"id":"u07","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',7,'app','create','user','u08','"u08"',NULL,'{"active":false,"costCenter":null,"createdAt":null,"department":null,"displayName":"Hal","division":null,"email":"hal@acme.example","employeeNumber":"8","familyName":null,"givenName":null,"id":"u08","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',8,'app','create','user','u09','"u09"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Ida","division":null,"email":"ida@acme.example","employeeNumber":"9","familyName":null,"givenName":null,"id":"u09","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',9,'app','create','user','u11','"u11"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Kim","division":null,"email":"kim@acme.example","employeeNumber":"11","familyName":null,"givenName":null,"id":"u11","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',10,'app','create','group','g1','"g1"',NULL,'{"description":null,"displayName":"staff","email":null,"id":"g1"}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',11,'app','create','group','g2','"g2"',NULL,'{"description":null,"displayName":"g3","email":null,"id":"g2"}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',12,'app','create','group','g3','"g3"',NULL,'{"description":null,"displayName":"tools","email":null,"id":"g3"}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',13,'app','create','group','g4','"g4"',NULL,'{"description":null,"displayName":"board","email":null,"id":"g4"}',NULL);
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',14,'app','add','group','g1','"g1"',NULL,NULL,'[{"kind":"user","id":"u08","key":"u08"},{"kind":"user","id":"u09","key":"u09"},{"kind":"user","id":"u11","key":"u11"},{"kind":"group","id":"g2","key":"g2"}]');
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',15,'app','add','group','g2','"g2"',NULL,NULL,'[{"kind":"user","id":"u02","key":"u02"},{"kind":"user","id":"u04","key":"u04"},{"kind":"user","id":"u06","key":"u06"},{"kind":"group","id":"g3","key":"g3"}]');
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',16,'app','add','group','g3','"g3"',NULL,NULL,'[{"kind":"user","id":"u03","key":"u03"},{"kind":"user","id":"u05","key":"u05"},{"kind":"user","id":"u07","key":"u07"}]');
INSERT INTO "journal" VALUES('01M8DTMXY447E5JCFTTB2XBQ38',17,'app','add','group','g4','"g4"',NULL,NULL,'[{"kind":"user","id":"u01","key":"u01"}]');
INSERT INTO "journal" VALUES('01M8DTMY4EK4V6G9MP884MGR7Q',0,'app','create','user','u01','"u01"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Zoe","division":null,"email":"zoe@branch.example","employeeNumber":"1","familyName":null,"givenName":null,"id":"u01","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMY4EK4V6G9MP884MGR7Q',1,'app','create','user','u02','"u02"',NULL,'{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Yan","division":null,"email":"yan@branch.example","employeeNumber":"2","familyName":null,"givenName":null,"id":"u02","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
INSERT INTO "journal" VALUES('01M8DTMY4EK4V6G9MP884MGR7Q',2,'app','create','group','g1','"g1"',NULL,'{"description":null,"displayName":"branch","email":null,"id":"g1"}',NULL);
INSERT INTO "journal" VALUES('01M8DTMY4EK4V6G9MP884MGR7Q',3,'app','add','group','g1','"g1"',NULL,NULL,'[{"kind":"user","id":"u01","key":"u01"},{"kind":"user","id":"u02","key":"u02"}]');
INSERT INTO "journal" VALUES('01M8DTMZR7M4HNREG9HYBFP1JD',0,'app','remove','group','g1','"g1"',NULL,NULL,'[{"kind":"user","id":"u09","key":"u09"}]');
INSERT INTO "journal" VALUES('01M8DTMZR7M4HNREG9HYBFP1JD',1,'app','deactivate','user','u09','"u09"','{"active":true,"costCenter":null,"createdAt":null,"department":null,"displayName":"Ida","division":null,"email":"ida@acme.example","employeeNumber":"9","familyName":null,"givenName":null,"id":"u09","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}','{"active":false,"costCenter":null,"createdAt":null,"department":null,"displayName":"Ida","division":null,"email":"ida@acme.example","employeeNumber":"9","familyName":null,"givenName":null,"id":"u09","locale":null,"manager":null,"mobile":null,"organization":null,"phone":null,"preferredLanguage":null,"timezone":null,"title":null,"updatedAt":null,"userName":null,"userType":null,"validFrom":null,"validUntil":null}',NULL);
CREATE TABLE memberships (
	ref INTEGER NOT NULL, 
	directory INTEGER NOT NULL, 
	digest BIGINT NOT NULL, 
	count INTEGER NOT NULL, 
	revision BIGINT NOT NULL, 
	unresolved TEXT, 
	names BLOB NOT NULL, 
	users BLOB NOT NULL, 
	groups BLOB NOT NULL, 
	PRIMARY KEY (ref), 
	FOREIGN KEY(directory) REFERENCES directories (id)
);
INSERT INTO "memberships" VALUES(12,1,1105233675559620448,4,2,NULL,X'7050A8F7F699E226B2AC18021600224474D145365982834ACA0081E1C577CE59',X'080000000A0000000B000000',X'0D000000');
INSERT INTO "memberships" VALUES(13,1,9052148634572711803,4,1,NULL,X'CE24DB2112E310A7C3A12A70162009AA6034938CB00F12CB8A6C25EB5F9E7361',X'020000000400000006000000',X'0E000000');
INSERT INTO "memberships" VALUES(14,1,7628357689868574310,3,1,NULL,X'E603F9928DB712AA5035F4DEA1847EC630254F82B7224CF9',X'030000000500000007000000',X'');
INSERT INTO "memberships" VALUES(15,1,3181157224980449369,1,1,NULL,X'5988A041A4BD252C',X'01000000',X'');
INSERT INTO "memberships" VALUES(18,2,-8243456469924186909,2,1,NULL,X'5988A041A4BD252C8A6C25EB5F9E7361',X'1000000011000000',X'');
CREATE TABLE names (
	directory INTEGER NOT NULL, 
	name BIGINT NOT NULL, 
	ref INTEGER NOT NULL, 
	PRIMARY KEY (directory, name, ref), 
	FOREIGN KEY(directory) REFERENCES directories (id)
)
 WITHOUT ROWID

;
INSERT INTO "names" VALUES(1,-6408372602731289394,6);
INSERT INTO "names" VALUES(1,-6194384531728195133,14);
INSERT INTO "names" VALUES(1,-6191684718996945946,5);
INSERT INTO "names" VALUES(1,-4905901026815586339,15);
INSERT INTO "names" VALUES(1,-4457145898259569732,1);
INSERT INTO "names" VALUES(1,-4376542350566669306,7);
INSERT INTO "names" VALUES(1,-4289383811798725156,8);
INSERT INTO "names" VALUES(1,-4154591263280825607,12);
INSERT INTO "names" VALUES(1,-4143728776369130160,7);
INSERT INTO "names" VALUES(1,-3813968683482270624,4);
INSERT INTO "names" VALUES(1,-3184398081285911257,13);
INSERT INTO "names" VALUES(1,-2702734787733430188,6);
INSERT INTO "names" VALUES(1,-1490740806188828922,4);
INSERT INTO "names" VALUES(1,-617384884948324704,14);
INSERT INTO "names" VALUES(1,-482972888474901200,3);
INSERT INTO "names" VALUES(1,2801971204173877360,13);
INSERT INTO "names" VALUES(1,3181157224980449369,1);
INSERT INTO "names" VALUES(1,4470944252721910043,10);
INSERT INTO "names" VALUES(1,4909486638311713970,8);
INSERT INTO "names" VALUES(1,5369278500430008692,10);
INSERT INTO "names" VALUES(1,5611715012288541264,15);
INSERT INTO "names" VALUES(1,5932581894992712731,12);
INSERT INTO "names" VALUES(1,6230934434330044355,2);
INSERT INTO "names" VALUES(1,6471241406353572042,11);
INSERT INTO "names" VALUES(1,7022130378804915338,2);
INSERT INTO "names" VALUES(1,7823858672477617600,5);
INSERT INTO "names" VALUES(1,7933965920792766572,11);
INSERT INTO "names" VALUES(1,8342095347993017420,3);
INSERT INTO "names" VALUES(2,-4457145898259569732,16);
INSERT INTO "names" VALUES(2,-4154591263280825607,18);
INSERT INTO "names" VALUES(2,3181157224980449369,16);
INSERT INTO "names" VALUES(2,5932581894992712731,18);
INSERT INTO "names" VALUES(2,6230934434330044355,17);
INSERT INTO "names" VALUES(2,7022130378804915338,17);
CREATE TABLE records (
	ref INTEGER NOT NULL, 
	directory INTEGER NOT NULL, 
	kind SMALLINT NOT NULL, 
	id TEXT NOT NULL, 
	digest BIGINT NOT NULL, 
	attributes TEXT NOT NULL, 
	handles TEXT, 
	manager BIGINT, 
	revision BIGINT NOT NULL, 
	gone_at TEXT, 
	PRIMARY KEY (ref), 
	FOREIGN KEY(directory) REFERENCES directories (id)
);
INSERT INTO "records" VALUES(1,1,0,'u01',8321402898111142179,'{"active":true,"displayName":"Ada","email":"ada@acme.example","employeeNumber":"1"}','["user:u01"]',NULL,1,NULL);
INSERT INTO "records" VALUES(2,1,0,'u02',-3711339579526860946,'{"active":true,"displayName":"Bo","email":"bo@acme.example","employeeNumber":"2"}','["user:u02"]',NULL,1,NULL);
INSERT INTO "records" VALUES(3,1,0,'u03',7557220587109867867,'{"active":true,"displayName":"Cy","email":"cy@acme.example","employeeNumber":"3"}','["user:u03"]',NULL,1,NULL);
INSERT INTO "records" VALUES(4,1,0,'u04',-4565943745124182732,'{"active":true,"displayName":"Di","email":"di@acme.example","employeeNumber":"4"}','["user:u04"]',NULL,1,NULL);
INSERT INTO "records" VALUES(5,1,0,'u05',-8394634171762619885,'{"active":true,"displayName":"Eve","email":"u03","employeeNumber":"5"}','["user:u05"]',NULL,1,NULL);
INSERT INTO "records" VALUES(6,1,0,'u06',4298010333920357969,'{"active":true,"displayName":"Fay","email":"fay@acme.example","employeeNumber":"6"}','["user:u06"]',NULL,1,NULL);
INSERT INTO "records" VALUES(7,1,0,'u07',-5689823379462007233,'{"active":true,"displayName":"Gus","email":"gus@acme.example","employeeNumber":"7"}','["user:u07"]',NULL,1,NULL);
INSERT INTO "records" VALUES(8,1,0,'u08',-1291847775661537613,'{"active":false,"displayName":"Hal","email":"hal@acme.example","employeeNumber":"8"}','["user:u08"]',NULL,1,NULL);
INSERT INTO "records" VALUES(9,1,0,'u09',-6427753128568524233,'{"active":true,"displayName":"Ida","email":"ida@acme.example","employeeNumber":"9"}','["user:u09"]',NULL,2,'2026-11-27T06:21:28.210928+00:00');
INSERT INTO "records" VALUES(10,1,0,'u10',-6025981719011623906,'{"active":true,"displayName":"Refused","email":"joe@acme.example","employeeNumber":"none"}','["user:u10"]',NULL,1,NULL);
INSERT INTO "records" VALUES(11,1,0,'u11',-6676673036671108638,'{"active":true,"displayName":"Kim","email":"kim@acme.example","employeeNumber":"11"}','["user:u11"]',NULL,1,NULL);
INSERT INTO "records" VALUES(12,1,1,'g1',-3669038743993922014,'{"displayName":"staff"}','["group:g1"]',NULL,1,NULL);
INSERT INTO "records" VALUES(13,1,1,'g2',2538108118043002107,'{"displayName":"g3"}','["group:g2"]',NULL,1,NULL);
INSERT INTO "records" VALUES(14,1,1,'g3',-4691955650045435671,'{"displayName":"tools"}','["group:g3"]',NULL,1,NULL);
INSERT INTO "records" VALUES(15,1,1,'g4',6539084056634100881,'{"displayName":"board"}','["group:g4"]',NULL,1,NULL);
INSERT INTO "records" VALUES(16,2,0,'u01',-5819714860795526075,'{"active":true,"displayName":"Zoe","email":"zoe@branch.example","employeeNumber":"1"}','["user:u01"]',NULL,1,NULL);
INSERT INTO "records" VALUES(17,2,0,'u02',5615103234199465239,'{"active":true,"displayName":"Yan","email":"yan@branch.example","employeeNumber":"2"}','["user:u02"]',NULL,1,NULL);
INSERT INTO "records" VALUES(18,2,1,'g1',7630795591759934474,'{"displayName":"branch"}','["group:g1"]',NULL,1,NULL);
CREATE TABLE retries (
	target TEXT NOT NULL, 
	ref INTEGER NOT NULL, 
	PRIMARY KEY (target, ref)
)
 WITHOUT ROWID

;
INSERT INTO "retries" VALUES('app',10);
CREATE TABLE runs (
	id TEXT NOT NULL, 
	directory TEXT NOT NULL, 
	started TEXT NOT NULL, 
	finished TEXT, 
	status TEXT, 
	report TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('01M8DTMXY447E5JCFTTB2XBQ38','acme','2026-11-27T06:21:26.340923+00:00','2026-11-27T06:21:26.505357+00:00','partial','{"directory":"acme","connector":"csv","run":"01M8DTMXY447E5JCFTTB2XBQ38","status":"partial","started":"2026-11-27T06:21:26.340923+00:00","finished":"2026-11-27T06:21:26.505357+00:00","error":null,"pull":{"complete":true,"users":11,"groups":4,"memberships":13,"seconds":0.031,"unresolved":0,"changed":19},"targets":[{"target":"app","counts":{"users":{"create":10,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":4,"update":0,"delete":0},"memberships":{"add":12,"remove":0}},"planned":{"users":{"create":10,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":4,"update":0,"delete":0},"memberships":{"add":12,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[{"kind":"user","id":"u10","error":"where: cannot convert string to int","at":"/tmp/upgrade-jgw4ijse/own-sqlite/config.yaml:16"}],"failures":1,"error":null,"plan":"sha256:eaa415104891cbcf16ff9c4ba938fc8ab573e5923318d80c84e5011966c52531","seconds":0.114,"entries":18,"changes":null}],"skipped":[],"plan":"sha256:9d18d77b029d6b9e8cb2c2e07a1625d0eba1086d310654bdbbc157e112e9f1c5"}');
INSERT INTO "runs" VALUES('01M8DTMY4EK4V6G9MP884MGR7Q','branch','2026-11-27T06:21:26.542304+00:00','2026-11-27T06:21:26.638474+00:00','succeeded','{"directory":"branch","connector":"csv","run":"01M8DTMY4EK4V6G9MP884MGR7Q","status":"succeeded","started":"2026-11-27T06:21:26.542304+00:00","finished":"2026-11-27T06:21:26.638474+00:00","error":null,"pull":{"complete":true,"users":2,"groups":1,"memberships":2,"seconds":0.021,"unresolved":0,"changed":4},"targets":[{"target":"app","counts":{"users":{"create":2,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":1,"update":0,"delete":0},"memberships":{"add":2,"remove":0}},"planned":{"users":{"create":2,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":1,"update":0,"delete":0},"memberships":{"add":2,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[],"failures":0,"error":null,"plan":"sha256:8d04510968e7cf9ddf8b16125d4ebb66d55027ed4ab456ad398d924917ba0027","seconds":0.065,"entries":4,"changes":null}],"skipped":[],"plan":"sha256:2c2c6b18231132eb4eb1914cdc1695739174fd7fb270744e44f625de843bc0ea"}');
INSERT INTO "runs" VALUES('01M8DTMZR7M4HNREG9HYBFP1JD','acme','2026-11-27T06:21:28.200009+00:00','2026-11-27T06:21:28.343607+00:00','partial','{"directory":"acme","connector":"csv","run":"01M8DTMZR7M4HNREG9HYBFP1JD","status":"partial","started":"2026-11-27T06:21:28.200009+00:00","finished":"2026-11-27T06:21:28.343607+00:00","error":null,"pull":{"complete":true,"users":10,"groups":4,"memberships":12,"seconds":0.042,"unresolved":0,"changed":2},"targets":[{"target":"app","counts":{"users":{"create":0,"update":0,"deactivate":1,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":1}},"planned":{"users":{"create":0,"update":0,"deactivate":1,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":1}},"held":false,"guard":[],"skipped":[],"failed":[{"kind":"user","id":"u10","error":"where: cannot convert string to int","at":"/tmp/upgrade-jgw4ijse/own-sqlite/config.yaml:16"}],"failures":1,"error":null,"plan":"sha256:36292179ce0bdfeb215929bad9333edb5cc415126b113ca9874951043056e03b","seconds":0.085,"entries":2,"changes":null}],"skipped":[],"plan":"sha256:d23e9b3de3c685b524cc716e4e8817b611ba2278056cc91a80e9512fc421273a"}');
INSERT INTO "runs" VALUES('01M8DTMZXTK794YY158JPJKMGT','branch','2026-11-27T06:21:28.378752+00:00','2026-11-27T06:21:28.431809+00:00','succeeded','{"directory":"branch","connector":"csv","run":"01M8DTMZXTK794YY158JPJKMGT","status":"succeeded","started":"2026-11-27T06:21:28.378752+00:00","finished":"2026-11-27T06:21:28.431809+00:00","error":null,"pull":{"complete":true,"users":2,"groups":1,"memberships":2,"seconds":0.019,"unresolved":0,"changed":0},"targets":[{"target":"app","counts":{"users":{"create":0,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":0}},"planned":{"users":{"create":0,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[],"failures":0,"error":null,"plan":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","seconds":0.02,"entries":0,"changes":null}],"skipped":[],"plan":"sha256:81dbf0c08f1d5a809fa7cceca8adf551f7807bd230e0bbea70de1e48be8d7001"}');
CREATE INDEX delivered_key ON delivered (target, kind, "key");
CREATE INDEX runs_directory ON runs (directory, id);
CREATE INDEX ix_memberships_directory ON memberships (directory);
CREATE UNIQUE INDEX records_id ON records (directory, kind, id);
CREATE INDEX records_manager ON records (directory, manager);
CREATE INDEX records_revision ON records (directory, revision);
CREATE INDEX records_gone ON records (directory) WHERE gone_at IS NOT NULL;
COMMIT;
