BEGIN TRANSACTION;
CREATE TABLE group_members (
	directory TEXT NOT NULL, 
	group_id TEXT NOT NULL, 
	member_id TEXT NOT NULL, 
	PRIMARY KEY (directory, group_id, member_id)
)
 WITHOUT ROWID

;
INSERT INTO "group_members" VALUES('acme','board','ada@acme.example');
INSERT INTO "group_members" VALUES('acme','g3','bo@acme.example');
INSERT INTO "group_members" VALUES('acme','g3','di@acme.example');
INSERT INTO "group_members" VALUES('acme','g3','fay@acme.example');
INSERT INTO "group_members" VALUES('acme','g3','tools');
INSERT INTO "group_members" VALUES('acme','staff','g3');
INSERT INTO "group_members" VALUES('acme','staff','hal@acme.example');
INSERT INTO "group_members" VALUES('acme','staff','kim@acme.example');
INSERT INTO "group_members" VALUES('acme','tools','cy@acme.example');
INSERT INTO "group_members" VALUES('acme','tools','gus@acme.example');
INSERT INTO "group_members" VALUES('acme','tools','u03');
INSERT INTO "group_members" VALUES('branch','branch','yan@branch.example');
INSERT INTO "group_members" VALUES('branch','branch','zoe@branch.example');
CREATE TABLE groups (
	name TEXT NOT NULL, 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "groups" VALUES('board');
INSERT INTO "groups" VALUES('branch');
INSERT INTO "groups" VALUES('g3');
INSERT INTO "groups" VALUES('staff');
INSERT INTO "groups" VALUES('tools');
CREATE TABLE users (
	email TEXT NOT NULL, 
	name TEXT, 
	active BOOLEAN, password TEXT, 
	PRIMARY KEY (email)
)
 WITHOUT ROWID

;
INSERT INTO "users" VALUES('ada@acme.example','Ada',1,'of ada@acme.example');
INSERT INTO "users" VALUES('bo@acme.example','Bo',1,'of bo@acme.example');
INSERT INTO "users" VALUES('cy@acme.example','Cy',1,'of cy@acme.example');
INSERT INTO "users" VALUES('di@acme.example','Di',1,'of di@acme.example');
INSERT INTO "users" VALUES('fay@acme.example','Fay',1,'of fay@acme.example');
INSERT INTO "users" VALUES('gus@acme.example','Gus',1,'of gus@acme.example');
INSERT INTO "users" VALUES('hal@acme.example','Hal',0,'of hal@acme.example');
INSERT INTO "users" VALUES('ida@acme.example','Ida',0,'of ida@acme.example');
INSERT INTO "users" VALUES('kim@acme.example','Kim',1,'of kim@acme.example');
INSERT INTO "users" VALUES('u03','Eve',1,'of u03');
INSERT INTO "users" VALUES('yan@branch.example','Yan',1,'of yan@branch.example');
INSERT INTO "users" VALUES('zoe@branch.example','Zoe',1,'of zoe@branch.example');
COMMIT;
