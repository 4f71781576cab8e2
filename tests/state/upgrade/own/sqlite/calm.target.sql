BEGIN TRANSACTION;
CREATE TABLE group_members (
	directory TEXT NOT NULL, 
	group_id TEXT NOT NULL, 
	member_id TEXT NOT NULL, 
	PRIMARY KEY (directory, group_id, member_id)
)
 WITHOUT ROWID

;
INSERT INTO "group_members" VALUES('acme','g1','g2');
INSERT INTO "group_members" VALUES('acme','g1','u08');
INSERT INTO "group_members" VALUES('acme','g1','u11');
INSERT INTO "group_members" VALUES('acme','g2','g3');
INSERT INTO "group_members" VALUES('acme','g2','u02');
INSERT INTO "group_members" VALUES('acme','g2','u04');
INSERT INTO "group_members" VALUES('acme','g2','u06');
INSERT INTO "group_members" VALUES('acme','g3','u03');
INSERT INTO "group_members" VALUES('acme','g3','u05');
INSERT INTO "group_members" VALUES('acme','g3','u07');
INSERT INTO "group_members" VALUES('acme','g4','u01');
INSERT INTO "group_members" VALUES('branch','g1','u01');
INSERT INTO "group_members" VALUES('branch','g1','u02');
CREATE TABLE groups (
	directory TEXT NOT NULL, 
	id TEXT NOT NULL, 
	display_name TEXT, 
	description TEXT, 
	email TEXT, 
	updated_at DATETIME, 
	PRIMARY KEY (directory, id)
)
 WITHOUT ROWID

;
INSERT INTO "groups" VALUES('acme','g1','staff',NULL,NULL,'2026-11-27 06:21:26.450238');
INSERT INTO "groups" VALUES('acme','g2','g3',NULL,NULL,'2026-11-27 06:21:26.450238');
INSERT INTO "groups" VALUES('acme','g3','tools',NULL,NULL,'2026-11-27 06:21:26.450238');
INSERT INTO "groups" VALUES('acme','g4','board',NULL,NULL,'2026-11-27 06:21:26.450238');
INSERT INTO "groups" VALUES('branch','g1','branch',NULL,NULL,'2026-11-27 06:21:26.602949');
CREATE TABLE users (
	directory TEXT NOT NULL, 
	id TEXT NOT NULL, 
	user_name TEXT, 
	email TEXT, 
	given_name TEXT, 
	family_name TEXT, 
	display_name TEXT, 
	active BOOLEAN, 
	user_type TEXT, 
	title TEXT, 
	department TEXT, 
	division TEXT, 
	cost_center TEXT, 
	organization TEXT, 
	employee_number TEXT, 
	manager TEXT, 
	preferred_language TEXT, 
	locale TEXT, 
	timezone TEXT, 
	phone TEXT, 
	mobile TEXT, 
	valid_from TEXT, 
	valid_until TEXT, 
	created_at TEXT, 
	deactivated_at DATETIME, 
	updated_at DATETIME, password TEXT, 
	PRIMARY KEY (directory, id)
)
 WITHOUT ROWID

;
INSERT INTO "users" VALUES('acme','u01',NULL,'ada@acme.example',NULL,NULL,'Ada',1,NULL,NULL,NULL,NULL,NULL,NULL,'1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.450238','of ada@acme.example');
INSERT INTO "users" VALUES('acme','u02',NULL,'bo@acme.example',NULL,NULL,'Bo',1,NULL,NULL,NULL,NULL,NULL,NULL,'2',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.450238','of bo@acme.example');
INSERT INTO "users" VALUES('acme','u03',NULL,'cy@acme.example',NULL,NULL,'Cy',1,NULL,NULL,NULL,NULL,NULL,NULL,'3',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.450238','of cy@acme.example');
INSERT INTO "users" VALUES('acme','u04',NULL,'di@acme.example',NULL,NULL,'Di',1,NULL,NULL,NULL,NULL,NULL,NULL,'4',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.450238','of di@acme.example');
INSERT INTO "users" VALUES('acme','u05',NULL,'u03',NULL,NULL,'Eve',1,NULL,NULL,NULL,NULL,NULL,NULL,'5',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.450238','of u03');
INSERT INTO "users" VALUES('acme','u06',NULL,'fay@acme.example',NULL,NULL,'Fay',1,NULL,NULL,NULL,NULL,NULL,NULL,'6',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.450238','of fay@acme.example');
INSERT INTO "users" VALUES('acme','u07',NULL,'gus@acme.example',NULL,NULL,'Gus',1,NULL,NULL,NULL,NULL,NULL,NULL,'7',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.450238','of gus@acme.example');
INSERT INTO "users" VALUES('acme','u08',NULL,'hal@acme.example',NULL,NULL,'Hal',0,NULL,NULL,NULL,NULL,NULL,NULL,'8',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.450238','2026-11-27 06:21:26.450238','of hal@acme.example');
INSERT INTO "users" VALUES('acme','u09',NULL,'ida@acme.example',NULL,NULL,'Ida',0,NULL,NULL,NULL,NULL,NULL,NULL,'9',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:28.325147','2026-11-27 06:21:28.325147','of ida@acme.example');
INSERT INTO "users" VALUES('acme','u11',NULL,'kim@acme.example',NULL,NULL,'Kim',1,NULL,NULL,NULL,NULL,NULL,NULL,'11',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.450238','of kim@acme.example');
INSERT INTO "users" VALUES('branch','u01',NULL,'zoe@branch.example',NULL,NULL,'Zoe',1,NULL,NULL,NULL,NULL,NULL,NULL,'1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.602949','of zoe@branch.example');
INSERT INTO "users" VALUES('branch','u02',NULL,'yan@branch.example',NULL,NULL,'Yan',1,NULL,NULL,NULL,NULL,NULL,NULL,'2',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27 06:21:26.602949','of yan@branch.example');
COMMIT;
