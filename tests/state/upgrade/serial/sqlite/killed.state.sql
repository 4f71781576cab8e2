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
INSERT INTO "counters" VALUES('ref',20);
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
INSERT INTO "delivered" VALUES('app',1,0,'"ada@acme.example"',1953680189423657640,1,NULL,1,'{"active":true,"email":"ada@acme.example","name":"Ada"}');
INSERT INTO "delivered" VALUES('app',2,0,'"bo@acme.example"',-5238650890290196636,1,NULL,0,'{"active":true,"email":"bo.new@acme.example","name":"Bo"}');
INSERT INTO "delivered" VALUES('app',3,0,'"cy@acme.example"',2216819238219061415,1,NULL,1,'{"active":true,"email":"cy@acme.example","name":"Cy"}');
INSERT INTO "delivered" VALUES('app',4,0,'"di@acme.example"',5967830083891149295,1,NULL,0,'{"active":true,"email":"di@acme.example","name":"Di"}');
INSERT INTO "delivered" VALUES('app',5,0,'"u03"',2439754780083875055,1,NULL,1,'{"active":true,"email":"u03","name":"Eve"}');
INSERT INTO "delivered" VALUES('app',6,0,'"fay@acme.example"',9028754218544522115,1,NULL,1,'{"active":true,"email":"fay@acme.example","name":"Fay"}');
INSERT INTO "delivered" VALUES('app',7,0,'"gus@acme.example"',-1239813709427231079,1,NULL,1,'{"active":true,"email":"gus@acme.example","name":"Gus"}');
INSERT INTO "delivered" VALUES('app',8,0,'"hal@acme.example"',7435784725039417253,0,NULL,1,'{"active":false,"email":"hal@acme.example","name":"Hal"}');
INSERT INTO "delivered" VALUES('app',9,0,'"ida@acme.example"',4101586317500027358,0,'2026-11-27T06:21:46.680485+00:00',1,'{"active":false,"email":"ida@acme.example","name":"Ida"}');
INSERT INTO "delivered" VALUES('app',10,0,'"joe@acme.example"',-1952077372048676820,1,NULL,0,'{"active":true,"email":"joe@acme.example","name":"Refused"}');
INSERT INTO "delivered" VALUES('app',11,0,'"kim@acme.example"',-973722707686501015,1,NULL,1,'{"active":true,"email":"kim@acme.example","name":"Kim"}');
INSERT INTO "delivered" VALUES('app',12,1,'"staff"',6870801449101144155,1,NULL,1,'{"name":"staff"}');
INSERT INTO "delivered" VALUES('app',13,1,'"g3"',-3360902180990585502,1,NULL,1,'{"name":"g3"}');
INSERT INTO "delivered" VALUES('app',14,1,'"tools"',-4643369676703532614,1,NULL,1,'{"name":"tools"}');
INSERT INTO "delivered" VALUES('app',15,1,'"board"',-1254061082766812816,1,NULL,1,'{"name":"board"}');
INSERT INTO "delivered" VALUES('app',16,0,'"zoe@branch.example"',-3614223367294725333,1,NULL,1,'{"active":true,"email":"zoe@branch.example","name":"Zoe"}');
INSERT INTO "delivered" VALUES('app',17,0,'"yan@branch.example"',-4499540092523346484,1,NULL,1,'{"active":true,"email":"yan@branch.example","name":"Yan"}');
INSERT INTO "delivered" VALUES('app',18,1,'"branch"',8145474659110486880,1,NULL,1,'{"name":"branch"}');
INSERT INTO "delivered" VALUES('app',19,0,'"lea@acme.example"',8630527488746658476,1,NULL,0,'{"active":true,"email":"lea@acme.example","name":"Lea"}');
CREATE TABLE delivered_members (
	target TEXT NOT NULL, 
	ref INTEGER NOT NULL, 
	given BLOB, 
	members BLOB NOT NULL, 
	PRIMARY KEY (target, ref)
)
 WITHOUT ROWID

;
INSERT INTO "delivered_members" VALUES('app',12,X'060000000A00000013000000',X'020000000300000004000000050000000600000007000000080000000B000000');
INSERT INTO "delivered_members" VALUES('app',13,X'0600000013000000',X'020000000300000004000000050000000600000007000000');
INSERT INTO "delivered_members" VALUES('app',14,X'0700000013000000',X'030000000500000007000000');
INSERT INTO "delivered_members" VALUES('app',15,X'13000000',X'01000000');
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
INSERT INTO "deliveries" VALUES(1,'app',2,'ff4b2ccb9f655b7919d5eb395925b8a3baed3a3503557fdf08737a1acedde77b flattened');
INSERT INTO "deliveries" VALUES(2,'app',2,'ff4b2ccb9f655b7919d5eb395925b8a3baed3a3503557fdf08737a1acedde77b flattened');
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
INSERT INTO "directories" VALUES(1,'acme',NULL,'201996482dd71baa6e0c8f51c6fbc1613d4a285ed44f7a15b58f6ddde4da6f4e','2026-11-27T06:21:48.058237+00:00',3,10,4,13);
INSERT INTO "directories" VALUES(2,'branch',NULL,'2c8144f2474e24816ad34ad4bf1703a9fb5be1e8558533650cc6dc2738b14993','2026-11-27T06:21:46.772211+00:00',2,2,1,2);
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
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',0,'app','create','user','u01','"ada@acme.example"',NULL,'{"active":true,"email":"ada@acme.example","name":"Ada"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',1,'app','create','user','u02','"bo@acme.example"',NULL,'{"active":true,"email":"bo@acme.example","name":"Bo"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',2,'app','create','user','u03','"cy@acme.example"',NULL,'{"active":true,"email":"cy@acme.example","name":"Cy"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',3,'app','create','user','u04','"di@acme.example"',NULL,'{"active":true,"email":"di@acme.example","name":"Di"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',4,'app','create','user','u05','"u03"',NULL,'{"active":true,"email":"u03","name":"Eve"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',5,'app','create','user','u06','"fay@acme.example"',NULL,'{"active":true,"email":"fay@acme.example","name":"Fay"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',6,'app','create','user','u07','"gus@acme.example"',NULL,'{"active":true,"email":"gus@acme.example","name":"Gus"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',7,'app','create','user','u08','"hal@acme.example"',NULL,'{"active":false,"email":"hal@acme.example","name":"Hal"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',8,'app','create','user','u09','"ida@acme.example"',NULL,'{"active":true,"email":"ida@acme.example","name":"Ida"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',9,'app','create','user','u11','"kim@acme.example"',NULL,'{"active":true,"email":"kim@acme.example","name":"Kim"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',10,'app','create','group','g1','"staff"',NULL,'{"name":"staff"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',11,'app','create','group','g2','"g3"',NULL,'{"name":"g3"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',12,'app','create','group','g3','"tools"',NULL,'{"name":"tools"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',13,'app','create','group','g4','"board"',NULL,'{"name":"board"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',14,'app','add','group','g1','"staff"',NULL,NULL,'[{"kind":"user","id":"u02","key":"bo@acme.example"},{"kind":"user","id":"u03","key":"cy@acme.example"},{"kind":"user","id":"u04","key":"di@acme.example"},{"kind":"user","id":"u05","key":"u03"},{"kind":"user","id":"u06","key":"fay@acme.example"},{"kind":"user","id":"u07","key":"gus@acme.example"},{"kind":"user","id":"u08","key":"hal@acme.example"},{"kind":"user","id":"u09","key":"ida@acme.example"},{"kind":"user","id":"u11","key":"kim@acme.example"}]');
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',15,'app','add','group','g2','"g3"',NULL,NULL,'[{"kind":"user","id":"u02","key":"bo@acme.example"},{"kind":"user","id":"u03","key":"cy@acme.example"},{"kind":"user","id":"u04","key":"di@acme.example"},{"kind":"user","id":"u05","key":"u03"},{"kind":"user","id":"u06","key":"fay@acme.example"},{"kind":"user","id":"u07","key":"gus@acme.example"}]');
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',16,'app','add','group','g3','"tools"',NULL,NULL,'[{"kind":"user","id":"u03","key":"cy@acme.example"},{"kind":"user","id":"u05","key":"u03"},{"kind":"user","id":"u07","key":"gus@acme.example"}]');
INSERT INTO "journal" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY',17,'app','add','group','g4','"board"',NULL,NULL,'[{"kind":"user","id":"u01","key":"ada@acme.example"}]');
INSERT INTO "journal" VALUES('01M8DTNGPK58JMAYRJQF5H59D9',0,'app','create','user','u01','"zoe@branch.example"',NULL,'{"active":true,"email":"zoe@branch.example","name":"Zoe"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGPK58JMAYRJQF5H59D9',1,'app','create','user','u02','"yan@branch.example"',NULL,'{"active":true,"email":"yan@branch.example","name":"Yan"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGPK58JMAYRJQF5H59D9',2,'app','create','group','g1','"branch"',NULL,'{"name":"branch"}',NULL);
INSERT INTO "journal" VALUES('01M8DTNGPK58JMAYRJQF5H59D9',3,'app','add','group','g1','"branch"',NULL,NULL,'[{"kind":"user","id":"u01","key":"zoe@branch.example"},{"kind":"user","id":"u02","key":"yan@branch.example"}]');
INSERT INTO "journal" VALUES('01M8DTNHRKETNYGK82G5N4JC1R',0,'app','remove','group','g1','"staff"',NULL,NULL,'[{"kind":"user","id":"u09","key":"ida@acme.example"}]');
INSERT INTO "journal" VALUES('01M8DTNHRKETNYGK82G5N4JC1R',1,'app','deactivate','user','u09','"ida@acme.example"','{"active":true,"email":"ida@acme.example","name":"Ida"}','{"active":false,"email":"ida@acme.example","name":"Ida"}',NULL);
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
INSERT INTO "memberships" VALUES(13,1,-7129951612774680579,4,3,NULL,X'C3A12A70162009AA5035F4DEA1847EC66034938CB00F12CB8A6C25EB5F9E7361',X'020000000400000007000000',X'0E000000');
INSERT INTO "memberships" VALUES(14,1,-2090615284520466888,3,3,NULL,X'E603F9928DB712AA30254F82B7224CF9229DDF9634CA9D3F',X'030000000500000013000000',X'');
INSERT INTO "memberships" VALUES(15,1,7765199547931829627,2,3,NULL,X'5988A041A4BD252C229DDF9634CA9D3F',X'0100000013000000',X'');
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
INSERT INTO "names" VALUES(1,-1490740806188828922,4);
INSERT INTO "names" VALUES(1,-617384884948324704,14);
INSERT INTO "names" VALUES(1,-482972888474901200,3);
INSERT INTO "names" VALUES(1,2801971204173877360,13);
INSERT INTO "names" VALUES(1,3181157224980449369,1);
INSERT INTO "names" VALUES(1,4470944252721910043,10);
INSERT INTO "names" VALUES(1,4584042322951380258,19);
INSERT INTO "names" VALUES(1,4909486638311713970,8);
INSERT INTO "names" VALUES(1,5369278500430008692,10);
INSERT INTO "names" VALUES(1,5547794696538213120,19);
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
INSERT INTO "records" VALUES(1,1,0,'u01',-8167967868376788644,'{"active":true,"displayName":"Ada","email":"ada@acme.example"}','["user:u01"]',NULL,1,NULL);
INSERT INTO "records" VALUES(2,1,0,'u02',1817685440199848327,'{"active":true,"displayName":"Bo","email":"bo.new@acme.example"}','["user:u02"]',NULL,3,NULL);
INSERT INTO "records" VALUES(3,1,0,'u03',-1829042992706243148,'{"active":true,"displayName":"Cy","email":"cy@acme.example"}','["user:u03"]',NULL,1,NULL);
INSERT INTO "records" VALUES(4,1,0,'u04',6933775225684185440,'{"active":true,"displayName":"Diana","email":"di@acme.example"}','["user:u04"]',NULL,3,NULL);
INSERT INTO "records" VALUES(5,1,0,'u05',6427352475069379589,'{"active":true,"displayName":"Eve","email":"u03"}','["user:u05"]',NULL,1,NULL);
INSERT INTO "records" VALUES(6,1,0,'u06',-8532947020246397318,'{"active":true,"displayName":"Fay","email":"fay@acme.example"}','["user:u06"]',NULL,3,'2026-11-27T06:21:48.058237+00:00');
INSERT INTO "records" VALUES(7,1,0,'u07',-729608352247300428,'{"active":true,"displayName":"Gus","email":"gus@acme.example"}','["user:u07"]',NULL,1,NULL);
INSERT INTO "records" VALUES(8,1,0,'u08',771863697191334914,'{"active":false,"displayName":"Hal","email":"hal@acme.example"}','["user:u08"]',NULL,1,NULL);
INSERT INTO "records" VALUES(9,1,0,'u09',-2819672473257211101,'{"active":true,"displayName":"Ida","email":"ida@acme.example"}','["user:u09"]',NULL,2,'2026-11-27T06:21:46.651451+00:00');
INSERT INTO "records" VALUES(10,1,0,'u10',6789231914386460363,'{"active":true,"displayName":"Refused","email":"joe@acme.example"}','["user:u10"]',NULL,1,NULL);
INSERT INTO "records" VALUES(11,1,0,'u11',7420564953625407762,'{"active":false,"displayName":"Kim","email":"kim@acme.example"}','["user:u11"]',NULL,3,NULL);
INSERT INTO "records" VALUES(12,1,1,'g1',-3669038743993922014,'{"displayName":"staff"}','["group:g1"]',NULL,1,NULL);
INSERT INTO "records" VALUES(13,1,1,'g2',2538108118043002107,'{"displayName":"g3"}','["group:g2"]',NULL,1,NULL);
INSERT INTO "records" VALUES(14,1,1,'g3',-4691955650045435671,'{"displayName":"tools"}','["group:g3"]',NULL,1,NULL);
INSERT INTO "records" VALUES(15,1,1,'g4',6539084056634100881,'{"displayName":"board"}','["group:g4"]',NULL,1,NULL);
INSERT INTO "records" VALUES(16,2,0,'u01',-7901770414075633438,'{"active":true,"displayName":"Zoe","email":"zoe@branch.example"}','["user:u01"]',NULL,1,NULL);
INSERT INTO "records" VALUES(17,2,0,'u02',-8867408474003003471,'{"active":true,"displayName":"Yan","email":"yan@branch.example"}','["user:u02"]',NULL,1,NULL);
INSERT INTO "records" VALUES(18,2,1,'g1',7630795591759934474,'{"displayName":"branch"}','["group:g1"]',NULL,1,NULL);
INSERT INTO "records" VALUES(19,1,0,'u12',6072254684644181480,'{"active":true,"displayName":"Lea","email":"lea@acme.example"}','["user:u12"]',NULL,3,NULL);
CREATE TABLE retries (
	target TEXT NOT NULL, 
	ref INTEGER NOT NULL, 
	PRIMARY KEY (target, ref)
)
 WITHOUT ROWID

;
INSERT INTO "retries" VALUES('app',10);
INSERT INTO "retries" VALUES('app',12);
INSERT INTO "retries" VALUES('app',13);
INSERT INTO "retries" VALUES('app',14);
INSERT INTO "retries" VALUES('app',15);
CREATE TABLE runs (
	id TEXT NOT NULL, 
	directory TEXT NOT NULL, 
	started TEXT NOT NULL, 
	finished TEXT, 
	status TEXT, 
	report TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('01M8DTNGJDJDKJCR6S3ZZE4GKY','acme','2026-11-27T06:21:45.421776+00:00','2026-11-27T06:21:45.533393+00:00','partial','{"directory":"acme","connector":"csv","run":"01M8DTNGJDJDKJCR6S3ZZE4GKY","status":"partial","started":"2026-11-27T06:21:45.421776+00:00","finished":"2026-11-27T06:21:45.533393+00:00","error":null,"pull":{"complete":true,"users":11,"groups":4,"memberships":13,"seconds":0.023,"unresolved":0,"changed":19},"targets":[{"target":"app","counts":{"users":{"create":10,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":4,"update":0,"delete":0},"memberships":{"add":19,"remove":0}},"planned":{"users":{"create":11,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":4,"update":0,"delete":0},"memberships":{"add":20,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[{"kind":"user","id":"u10","error":"CHECK constraint failed: name <> ''Refused''","at":null}],"failures":1,"error":null,"plan":"sha256:c841b50d0ce1fdadae80e11d5198ad00c9dae14e958a7531ad5e091516de7d67","seconds":0.076,"entries":18,"changes":null}],"skipped":[],"plan":"sha256:41ee3baa44ceb61986ebc0449e47809ae6ff64df35a583926355d9733d6dd059"}');
INSERT INTO "runs" VALUES('01M8DTNGPK58JMAYRJQF5H59D9','branch','2026-11-27T06:21:45.555166+00:00','2026-11-27T06:21:45.625586+00:00','succeeded','{"directory":"branch","connector":"csv","run":"01M8DTNGPK58JMAYRJQF5H59D9","status":"succeeded","started":"2026-11-27T06:21:45.555166+00:00","finished":"2026-11-27T06:21:45.625586+00:00","error":null,"pull":{"complete":true,"users":2,"groups":1,"memberships":2,"seconds":0.013,"unresolved":0,"changed":4},"targets":[{"target":"app","counts":{"users":{"create":2,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":1,"update":0,"delete":0},"memberships":{"add":2,"remove":0}},"planned":{"users":{"create":2,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":1,"update":0,"delete":0},"memberships":{"add":2,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[],"failures":0,"error":null,"plan":"sha256:6b4342a786d84d036e9a6c3a1cce7f2d59fbcd963c4da42140e687da8905b836","seconds":0.05,"entries":4,"changes":null}],"skipped":[],"plan":"sha256:e7dc5002a304ed9a2d0e298e01b52271fde24d2953b3c98d547495ecac37d05b"}');
INSERT INTO "runs" VALUES('01M8DTNHRKETNYGK82G5N4JC1R','acme','2026-11-27T06:21:46.643658+00:00','2026-11-27T06:21:46.740529+00:00','partial','{"directory":"acme","connector":"csv","run":"01M8DTNHRKETNYGK82G5N4JC1R","status":"partial","started":"2026-11-27T06:21:46.643658+00:00","finished":"2026-11-27T06:21:46.740529+00:00","error":null,"pull":{"complete":true,"users":10,"groups":4,"memberships":12,"seconds":0.028,"unresolved":0,"changed":2},"targets":[{"target":"app","counts":{"users":{"create":0,"update":0,"deactivate":1,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":1}},"planned":{"users":{"create":1,"update":0,"deactivate":1,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":1,"remove":1}},"held":false,"guard":[],"skipped":[],"failed":[{"kind":"user","id":"u10","error":"CHECK constraint failed: name <> ''Refused''","at":null}],"failures":1,"error":null,"plan":"sha256:ae4abab5810b12816db8e97b2753375d07ee8a3abd3fa3aa277841bf55d88f8c","seconds":0.058,"entries":2,"changes":null}],"skipped":[],"plan":"sha256:c873b70fb33cb905e6e16d990a8676a49f47abbeb66b928c0a9fe1db976feb53"}');
INSERT INTO "runs" VALUES('01M8DTNHWF8YNPYH8159HF44E9','branch','2026-11-27T06:21:46.767915+00:00','2026-11-27T06:21:46.796270+00:00','succeeded','{"directory":"branch","connector":"csv","run":"01M8DTNHWF8YNPYH8159HF44E9","status":"succeeded","started":"2026-11-27T06:21:46.767915+00:00","finished":"2026-11-27T06:21:46.796270+00:00","error":null,"pull":{"complete":true,"users":2,"groups":1,"memberships":2,"seconds":0.012,"unresolved":0,"changed":0},"targets":[{"target":"app","counts":{"users":{"create":0,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":0}},"planned":{"users":{"create":0,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[],"failures":0,"error":null,"plan":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","seconds":0.01,"entries":0,"changes":null}],"skipped":[],"plan":"sha256:81dbf0c08f1d5a809fa7cceca8adf551f7807bd230e0bbea70de1e48be8d7001"}');
INSERT INTO "runs" VALUES('01M8DTNK4G3WWK5JCCNZVB0TY8','acme','2026-11-27T06:21:48.048898+00:00',NULL,NULL,'{"directory":"acme","connector":"csv","run":"01M8DTNK4G3WWK5JCCNZVB0TY8","status":"failed","started":"2026-11-27T06:21:48.048898+00:00","finished":null,"error":null,"pull":null,"targets":[],"skipped":[],"plan":null}');
CREATE INDEX delivered_key ON delivered (target, kind, "key");
CREATE INDEX runs_directory ON runs (directory, id);
CREATE INDEX ix_memberships_directory ON memberships (directory);
CREATE UNIQUE INDEX records_id ON records (directory, kind, id);
CREATE INDEX records_manager ON records (directory, manager);
CREATE INDEX records_revision ON records (directory, revision);
CREATE INDEX records_gone ON records (directory) WHERE gone_at IS NOT NULL;
COMMIT;
