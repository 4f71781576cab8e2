CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.counters (
    name text NOT NULL,
    next bigint NOT NULL
);
CREATE TABLE public.delivered (
    target text NOT NULL,
    ref bigint NOT NULL,
    kind smallint NOT NULL,
    key text NOT NULL,
    digest bigint NOT NULL,
    active smallint NOT NULL,
    left_at text,
    sure smallint NOT NULL,
    shape text NOT NULL
);
COMMENT ON COLUMN public.delivered.key IS 'JSON: the key under which the target holds it';
COMMENT ON COLUMN public.delivered.active IS '1 unless the shape says that it is not';
COMMENT ON COLUMN public.delivered.left_at IS 'since when a leaver is deactivated and kept';
COMMENT ON COLUMN public.delivered.sure IS '0 while the target was given a change and has not answered';
COMMENT ON COLUMN public.delivered.shape IS 'JSON';
CREATE TABLE public.delivered_members (
    target text NOT NULL,
    ref bigint NOT NULL,
    given bytea,
    members bytea NOT NULL
);
COMMENT ON COLUMN public.delivered_members.ref IS 'the group';
COMMENT ON COLUMN public.delivered_members.given IS 'refs added or removed without an answer yet: sorted uint32';
COMMENT ON COLUMN public.delivered_members.members IS 'refs: sorted uint32';
CREATE TABLE public.deliveries (
    directory integer NOT NULL,
    target text NOT NULL,
    revision bigint NOT NULL,
    fingerprint text NOT NULL
);
COMMENT ON COLUMN public.deliveries.revision IS 'the pull up to which this target has been given everything';
COMMENT ON COLUMN public.deliveries.fingerprint IS 'of the rules by which it was shaped';
CREATE TABLE public.directories (
    id integer NOT NULL,
    name text NOT NULL,
    cursor text,
    basis text,
    completed_at text,
    revision bigint NOT NULL,
    users integer NOT NULL,
    groups integer NOT NULL,
    memberships integer NOT NULL
);
COMMENT ON COLUMN public.directories.cursor IS 'what the connector needs to read only what changed';
COMMENT ON COLUMN public.directories.basis IS 'digest of how it was read: with another one, a cursor is worth nothing';
COMMENT ON COLUMN public.directories.completed_at IS 'when the last complete pull was saved';
COMMENT ON COLUMN public.directories.revision IS 'counts the saved pulls; every change bears the number of its pull';
COMMENT ON COLUMN public.directories.memberships IS 'as the directory gives them, unresolved ones included';
CREATE SEQUENCE public.directories_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.directories_id_seq OWNED BY public.directories.id;
CREATE TABLE public.journal (
    run text NOT NULL,
    seq integer NOT NULL,
    target text NOT NULL,
    op text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    key text NOT NULL,
    before text,
    after text,
    members text
);
COMMENT ON COLUMN public.journal.key IS 'JSON';
COMMENT ON COLUMN public.journal.before IS 'JSON: what the change replaced';
COMMENT ON COLUMN public.journal.after IS 'JSON: what it wrote';
COMMENT ON COLUMN public.journal.members IS 'JSON: the members added or removed';
CREATE TABLE public.memberships (
    ref bigint NOT NULL,
    directory integer NOT NULL,
    digest bigint NOT NULL,
    count integer NOT NULL,
    revision bigint NOT NULL,
    unresolved text,
    names bytea NOT NULL,
    users bytea NOT NULL,
    groups bytea NOT NULL
);
COMMENT ON COLUMN public.memberships.ref IS 'the group';
COMMENT ON COLUMN public.memberships.digest IS 'of the names, in any order';
COMMENT ON COLUMN public.memberships.revision IS 'the pull that last changed its users and groups';
COMMENT ON COLUMN public.memberships.unresolved IS 'JSON list of the ids and handles that nobody has';
COMMENT ON COLUMN public.memberships.names IS 'the members as the directory names them: sorted int64';
COMMENT ON COLUMN public.memberships.users IS 'refs of the members that are users: sorted uint32';
COMMENT ON COLUMN public.memberships.groups IS 'refs of the members that are groups: sorted uint32';
CREATE TABLE public.names (
    directory integer NOT NULL,
    name bigint NOT NULL,
    ref bigint NOT NULL
);
COMMENT ON COLUMN public.names.name IS 'hash of an id or handle';
CREATE TABLE public.records (
    ref bigint NOT NULL,
    directory integer NOT NULL,
    kind smallint NOT NULL,
    id text NOT NULL,
    digest bigint NOT NULL,
    attributes text NOT NULL,
    handles text,
    manager bigint,
    revision bigint NOT NULL,
    gone_at text
);
COMMENT ON COLUMN public.records.kind IS '0 user, 1 group';
COMMENT ON COLUMN public.records.attributes IS 'JSON, native names';
COMMENT ON COLUMN public.records.handles IS 'JSON list';
COMMENT ON COLUMN public.records.manager IS 'the name (see names) of a user''s manager';
COMMENT ON COLUMN public.records.revision IS 'the pull that last changed how it may be shaped';
CREATE TABLE public.retries (
    target text NOT NULL,
    ref bigint NOT NULL
);
COMMENT ON COLUMN public.retries.ref IS 'what failed and is to be tried again';
CREATE TABLE public.runs (
    id text NOT NULL,
    directory text NOT NULL,
    started text NOT NULL,
    finished text,
    status text,
    report text
);
COMMENT ON COLUMN public.runs.report IS 'JSON: core.report.RunReport';
ALTER TABLE ONLY public.directories ALTER COLUMN id SET DEFAULT nextval('public.directories_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('0002');
INSERT INTO public.counters VALUES ('ref', 20);
INSERT INTO public.delivered VALUES ('app', 1, 0, '"ada@acme.example"', 1953680189423657640, 1, NULL, 1, '{"active":true,"email":"ada@acme.example","name":"Ada"}');
INSERT INTO public.delivered VALUES ('app', 3, 0, '"cy@acme.example"', 2216819238219061415, 1, NULL, 1, '{"active":true,"email":"cy@acme.example","name":"Cy"}');
INSERT INTO public.delivered VALUES ('app', 5, 0, '"u03"', 2439754780083875055, 1, NULL, 1, '{"active":true,"email":"u03","name":"Eve"}');
INSERT INTO public.delivered VALUES ('app', 6, 0, '"fay@acme.example"', 9028754218544522115, 1, NULL, 1, '{"active":true,"email":"fay@acme.example","name":"Fay"}');
INSERT INTO public.delivered VALUES ('app', 7, 0, '"gus@acme.example"', -1239813709427231079, 1, NULL, 1, '{"active":true,"email":"gus@acme.example","name":"Gus"}');
INSERT INTO public.delivered VALUES ('app', 8, 0, '"hal@acme.example"', 7435784725039417253, 0, NULL, 1, '{"active":false,"email":"hal@acme.example","name":"Hal"}');
INSERT INTO public.delivered VALUES ('app', 11, 0, '"kim@acme.example"', -973722707686501015, 1, NULL, 1, '{"active":true,"email":"kim@acme.example","name":"Kim"}');
INSERT INTO public.delivered VALUES ('app', 12, 1, '"staff"', 6870801449101144155, 1, NULL, 1, '{"name":"staff"}');
INSERT INTO public.delivered VALUES ('app', 13, 1, '"g3"', -3360902180990585502, 1, NULL, 1, '{"name":"g3"}');
INSERT INTO public.delivered VALUES ('app', 14, 1, '"tools"', -4643369676703532614, 1, NULL, 1, '{"name":"tools"}');
INSERT INTO public.delivered VALUES ('app', 15, 1, '"board"', -1254061082766812816, 1, NULL, 1, '{"name":"board"}');
INSERT INTO public.delivered VALUES ('app', 16, 0, '"zoe@branch.example"', -3614223367294725333, 1, NULL, 1, '{"active":true,"email":"zoe@branch.example","name":"Zoe"}');
INSERT INTO public.delivered VALUES ('app', 17, 0, '"yan@branch.example"', -4499540092523346484, 1, NULL, 1, '{"active":true,"email":"yan@branch.example","name":"Yan"}');
INSERT INTO public.delivered VALUES ('app', 18, 1, '"branch"', 8145474659110486880, 1, NULL, 1, '{"name":"branch"}');
INSERT INTO public.delivered VALUES ('app', 9, 0, '"ida@acme.example"', 4101586317500027358, 0, '2026-11-27T06:21:40.869902+00:00', 1, '{"active":false,"email":"ida@acme.example","name":"Ida"}');
INSERT INTO public.delivered VALUES ('app', 2, 0, '"bo@acme.example"', -5238650890290196636, 1, NULL, 0, '{"active":true,"email":"bo.new@acme.example","name":"Bo"}');
INSERT INTO public.delivered VALUES ('app', 19, 0, '"lea@acme.example"', 8630527488746658476, 1, NULL, 0, '{"active":true,"email":"lea@acme.example","name":"Lea"}');
INSERT INTO public.delivered VALUES ('app', 4, 0, '"di@acme.example"', 5967830083891149295, 1, NULL, 0, '{"active":true,"email":"di@acme.example","name":"Di"}');
INSERT INTO public.delivered_members VALUES ('app', 18, NULL, '\x1000000011000000');
INSERT INTO public.delivered_members VALUES ('app', 12, NULL, '\x080000000b0000000d000000');
INSERT INTO public.delivered_members VALUES ('app', 13, '\x0600000007000000', '\x0200000004000000060000000e000000');
INSERT INTO public.delivered_members VALUES ('app', 14, '\x0700000013000000', '\x030000000500000007000000');
INSERT INTO public.delivered_members VALUES ('app', 15, '\x13000000', '\x01000000');
INSERT INTO public.deliveries VALUES (1, 'app', 2, '238167e6e0dd60b750a473781847669a4eb2c18612cf0a5b518ba94484746052 direct');
INSERT INTO public.deliveries VALUES (2, 'app', 2, '238167e6e0dd60b750a473781847669a4eb2c18612cf0a5b518ba94484746052 direct');
INSERT INTO public.directories VALUES (2, 'branch', NULL, '317078b6605f9a3f573dfd32234bfff9819ea6133814fbe7ff4a89655fc6bdf9', '2026-11-27T06:21:41.179340+00:00', 2, 2, 1, 2);
INSERT INTO public.directories VALUES (1, 'acme', NULL, '66a77f6b180ecdf16b2362d05b06f600850752fdc74b5a9c0b76bd23cd9b1959', '2026-11-27T06:21:43.297986+00:00', 3, 10, 4, 13);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 0, 'app', 'create', 'user', 'u01', '"ada@acme.example"', NULL, '{"active":true,"email":"ada@acme.example","name":"Ada"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 1, 'app', 'create', 'user', 'u02', '"bo@acme.example"', NULL, '{"active":true,"email":"bo@acme.example","name":"Bo"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 2, 'app', 'create', 'user', 'u03', '"cy@acme.example"', NULL, '{"active":true,"email":"cy@acme.example","name":"Cy"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 3, 'app', 'create', 'user', 'u04', '"di@acme.example"', NULL, '{"active":true,"email":"di@acme.example","name":"Di"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 4, 'app', 'create', 'user', 'u05', '"u03"', NULL, '{"active":true,"email":"u03","name":"Eve"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 5, 'app', 'create', 'user', 'u06', '"fay@acme.example"', NULL, '{"active":true,"email":"fay@acme.example","name":"Fay"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 6, 'app', 'create', 'user', 'u07', '"gus@acme.example"', NULL, '{"active":true,"email":"gus@acme.example","name":"Gus"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 7, 'app', 'create', 'user', 'u08', '"hal@acme.example"', NULL, '{"active":false,"email":"hal@acme.example","name":"Hal"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 8, 'app', 'create', 'user', 'u09', '"ida@acme.example"', NULL, '{"active":true,"email":"ida@acme.example","name":"Ida"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 9, 'app', 'create', 'user', 'u11', '"kim@acme.example"', NULL, '{"active":true,"email":"kim@acme.example","name":"Kim"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 10, 'app', 'create', 'group', 'g1', '"staff"', NULL, '{"name":"staff"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 11, 'app', 'create', 'group', 'g2', '"g3"', NULL, '{"name":"g3"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 12, 'app', 'create', 'group', 'g3', '"tools"', NULL, '{"name":"tools"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 13, 'app', 'create', 'group', 'g4', '"board"', NULL, '{"name":"board"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 14, 'app', 'add', 'group', 'g1', '"staff"', NULL, NULL, '[{"kind":"user","id":"u08","key":"hal@acme.example"},{"kind":"user","id":"u09","key":"ida@acme.example"},{"kind":"user","id":"u11","key":"kim@acme.example"},{"kind":"group","id":"g2","key":"g3"}]');
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 15, 'app', 'add', 'group', 'g2', '"g3"', NULL, NULL, '[{"kind":"user","id":"u02","key":"bo@acme.example"},{"kind":"user","id":"u04","key":"di@acme.example"},{"kind":"user","id":"u06","key":"fay@acme.example"},{"kind":"group","id":"g3","key":"tools"}]');
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 16, 'app', 'add', 'group', 'g3', '"tools"', NULL, NULL, '[{"kind":"user","id":"u03","key":"cy@acme.example"},{"kind":"user","id":"u05","key":"u03"},{"kind":"user","id":"u07","key":"gus@acme.example"}]');
INSERT INTO public.journal VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 17, 'app', 'add', 'group', 'g4', '"board"', NULL, NULL, '[{"kind":"user","id":"u01","key":"ada@acme.example"}]');
INSERT INTO public.journal VALUES ('01M8DTNA8E6P09D52KAXVDE783', 0, 'app', 'create', 'user', 'u01', '"zoe@branch.example"', NULL, '{"active":true,"email":"zoe@branch.example","name":"Zoe"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNA8E6P09D52KAXVDE783', 1, 'app', 'create', 'user', 'u02', '"yan@branch.example"', NULL, '{"active":true,"email":"yan@branch.example","name":"Yan"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNA8E6P09D52KAXVDE783', 2, 'app', 'create', 'group', 'g1', '"branch"', NULL, '{"name":"branch"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNA8E6P09D52KAXVDE783', 3, 'app', 'add', 'group', 'g1', '"branch"', NULL, NULL, '[{"kind":"user","id":"u01","key":"zoe@branch.example"},{"kind":"user","id":"u02","key":"yan@branch.example"}]');
INSERT INTO public.journal VALUES ('01M8DTNC0EYKXCHRCYK1Q3TGT7', 0, 'app', 'remove', 'group', 'g1', '"staff"', NULL, NULL, '[{"kind":"user","id":"u09","key":"ida@acme.example"}]');
INSERT INTO public.journal VALUES ('01M8DTNC0EYKXCHRCYK1Q3TGT7', 1, 'app', 'deactivate', 'user', 'u09', '"ida@acme.example"', '{"active":true,"email":"ida@acme.example","name":"Ida"}', '{"active":false,"email":"ida@acme.example","name":"Ida"}', NULL);
INSERT INTO public.memberships VALUES (18, 2, -8243456469924186909, 2, 1, NULL, '\x5988a041a4bd252c8a6c25eb5f9e7361', '\x1000000011000000', '\x');
INSERT INTO public.memberships VALUES (12, 1, 1105233675559620448, 4, 2, NULL, '\x7050a8f7f699e226b2ac18021600224474d145365982834aca0081e1c577ce59', '\x080000000a0000000b000000', '\x0d000000');
INSERT INTO public.memberships VALUES (13, 1, -7129951612774680579, 4, 3, NULL, '\xc3a12a70162009aa5035f4dea1847ec66034938cb00f12cb8a6c25eb5f9e7361', '\x020000000400000007000000', '\x0e000000');
INSERT INTO public.memberships VALUES (14, 1, -2090615284520466888, 3, 3, NULL, '\xe603f9928db712aa30254f82b7224cf9229ddf9634ca9d3f', '\x030000000500000013000000', '\x');
INSERT INTO public.memberships VALUES (15, 1, 7765199547931829627, 2, 3, NULL, '\x5988a041a4bd252c229ddf9634ca9d3f', '\x0100000013000000', '\x');
INSERT INTO public.names VALUES (1, -4457145898259569732, 1);
INSERT INTO public.names VALUES (1, 3181157224980449369, 1);
INSERT INTO public.names VALUES (1, 6230934434330044355, 2);
INSERT INTO public.names VALUES (1, 7022130378804915338, 2);
INSERT INTO public.names VALUES (1, 8342095347993017420, 3);
INSERT INTO public.names VALUES (1, -482972888474901200, 3);
INSERT INTO public.names VALUES (1, -1490740806188828922, 4);
INSERT INTO public.names VALUES (1, -3813968683482270624, 4);
INSERT INTO public.names VALUES (1, 7823858672477617600, 5);
INSERT INTO public.names VALUES (1, -6191684718996945946, 5);
INSERT INTO public.names VALUES (1, -4376542350566669306, 7);
INSERT INTO public.names VALUES (1, -4143728776369130160, 7);
INSERT INTO public.names VALUES (1, -4289383811798725156, 8);
INSERT INTO public.names VALUES (1, 4909486638311713970, 8);
INSERT INTO public.names VALUES (1, 4470944252721910043, 10);
INSERT INTO public.names VALUES (1, 5369278500430008692, 10);
INSERT INTO public.names VALUES (1, 7933965920792766572, 11);
INSERT INTO public.names VALUES (1, 6471241406353572042, 11);
INSERT INTO public.names VALUES (1, -4154591263280825607, 12);
INSERT INTO public.names VALUES (1, 5932581894992712731, 12);
INSERT INTO public.names VALUES (1, -3184398081285911257, 13);
INSERT INTO public.names VALUES (1, 2801971204173877360, 13);
INSERT INTO public.names VALUES (1, -617384884948324704, 14);
INSERT INTO public.names VALUES (1, -6194384531728195133, 14);
INSERT INTO public.names VALUES (1, -4905901026815586339, 15);
INSERT INTO public.names VALUES (1, 5611715012288541264, 15);
INSERT INTO public.names VALUES (2, -4457145898259569732, 16);
INSERT INTO public.names VALUES (2, 3181157224980449369, 16);
INSERT INTO public.names VALUES (2, 6230934434330044355, 17);
INSERT INTO public.names VALUES (2, 7022130378804915338, 17);
INSERT INTO public.names VALUES (2, -4154591263280825607, 18);
INSERT INTO public.names VALUES (2, 5932581894992712731, 18);
INSERT INTO public.names VALUES (1, 5547794696538213120, 19);
INSERT INTO public.names VALUES (1, 4584042322951380258, 19);
INSERT INTO public.records VALUES (1, 1, 0, 'u01', 8321402898111142179, '{"active":true,"displayName":"Ada","email":"ada@acme.example","employeeNumber":"1"}', '["user:u01"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (3, 1, 0, 'u03', 7557220587109867867, '{"active":true,"displayName":"Cy","email":"cy@acme.example","employeeNumber":"3"}', '["user:u03"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (5, 1, 0, 'u05', -8394634171762619885, '{"active":true,"displayName":"Eve","email":"u03","employeeNumber":"5"}', '["user:u05"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (7, 1, 0, 'u07', -5689823379462007233, '{"active":true,"displayName":"Gus","email":"gus@acme.example","employeeNumber":"7"}', '["user:u07"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (8, 1, 0, 'u08', -1291847775661537613, '{"active":false,"displayName":"Hal","email":"hal@acme.example","employeeNumber":"8"}', '["user:u08"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (10, 1, 0, 'u10', -6025981719011623906, '{"active":true,"displayName":"Refused","email":"joe@acme.example","employeeNumber":"none"}', '["user:u10"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (12, 1, 1, 'g1', -3669038743993922014, '{"displayName":"staff"}', '["group:g1"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (13, 1, 1, 'g2', 2538108118043002107, '{"displayName":"g3"}', '["group:g2"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (14, 1, 1, 'g3', -4691955650045435671, '{"displayName":"tools"}', '["group:g3"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (15, 1, 1, 'g4', 6539084056634100881, '{"displayName":"board"}', '["group:g4"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (16, 2, 0, 'u01', -5819714860795526075, '{"active":true,"displayName":"Zoe","email":"zoe@branch.example","employeeNumber":"1"}', '["user:u01"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (17, 2, 0, 'u02', 5615103234199465239, '{"active":true,"displayName":"Yan","email":"yan@branch.example","employeeNumber":"2"}', '["user:u02"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (18, 2, 1, 'g1', 7630795591759934474, '{"displayName":"branch"}', '["group:g1"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (9, 1, 0, 'u09', -6427753128568524233, '{"active":true,"displayName":"Ida","email":"ida@acme.example","employeeNumber":"9"}', '["user:u09"]', NULL, 2, '2026-11-27T06:21:40.777326+00:00');
INSERT INTO public.records VALUES (19, 1, 0, 'u12', 5826295863375683960, '{"active":true,"displayName":"Lea","email":"lea@acme.example","employeeNumber":"12"}', '["user:u12"]', NULL, 3, NULL);
INSERT INTO public.records VALUES (2, 1, 0, 'u02', -4273729421413803569, '{"active":true,"displayName":"Bo","email":"bo.new@acme.example","employeeNumber":"2"}', '["user:u02"]', NULL, 3, NULL);
INSERT INTO public.records VALUES (4, 1, 0, 'u04', -2934477692438917946, '{"active":true,"displayName":"Diana","email":"di@acme.example","employeeNumber":"4"}', '["user:u04"]', NULL, 3, NULL);
INSERT INTO public.records VALUES (11, 1, 0, 'u11', 5662873036414659943, '{"active":false,"displayName":"Kim","email":"kim@acme.example","employeeNumber":"11"}', '["user:u11"]', NULL, 3, NULL);
INSERT INTO public.records VALUES (6, 1, 0, 'u06', 4298010333920357969, '{"active":true,"displayName":"Fay","email":"fay@acme.example","employeeNumber":"6"}', '["user:u06"]', NULL, 3, '2026-11-27T06:21:43.297986+00:00');
INSERT INTO public.retries VALUES ('app', 10);
INSERT INTO public.retries VALUES ('app', 13);
INSERT INTO public.retries VALUES ('app', 14);
INSERT INTO public.retries VALUES ('app', 15);
INSERT INTO public.runs VALUES ('01M8DTN9PFPWHJWJ7B5JP1AW53', 'acme', '2026-11-27T06:21:38.383855+00:00', '2026-11-27T06:21:38.904141+00:00', 'partial', '{"directory":"acme","connector":"csv","run":"01M8DTN9PFPWHJWJ7B5JP1AW53","status":"partial","started":"2026-11-27T06:21:38.383855+00:00","finished":"2026-11-27T06:21:38.904141+00:00","error":null,"pull":{"complete":true,"users":11,"groups":4,"memberships":13,"seconds":0.071,"unresolved":0,"changed":19},"targets":[{"target":"app","counts":{"users":{"create":10,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":4,"update":0,"delete":0},"memberships":{"add":12,"remove":0}},"planned":{"users":{"create":10,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":4,"update":0,"delete":0},"memberships":{"add":12,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[{"kind":"user","id":"u10","error":"where: cannot convert string to int","at":"/tmp/upgrade-jgw4ijse/ruled-postgresql/config.yaml:16"}],"failures":1,"error":null,"plan":"sha256:fa6f995e350aebc2cbb40d6944ade9b77b2f60d93e622abe43e95132bc06f892","seconds":0.407,"entries":18,"changes":null}],"skipped":[],"plan":"sha256:aac30248eebf212a841c01d4fa3ee07ac3db5bdf832996f2585081e8685bdb71"}');
INSERT INTO public.runs VALUES ('01M8DTNA8E6P09D52KAXVDE783', 'branch', '2026-11-27T06:21:38.958200+00:00', '2026-11-27T06:21:39.358402+00:00', 'succeeded', '{"directory":"branch","connector":"csv","run":"01M8DTNA8E6P09D52KAXVDE783","status":"succeeded","started":"2026-11-27T06:21:38.958200+00:00","finished":"2026-11-27T06:21:39.358402+00:00","error":null,"pull":{"complete":true,"users":2,"groups":1,"memberships":2,"seconds":0.044,"unresolved":0,"changed":4},"targets":[{"target":"app","counts":{"users":{"create":2,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":1,"update":0,"delete":0},"memberships":{"add":2,"remove":0}},"planned":{"users":{"create":2,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":1,"update":0,"delete":0},"memberships":{"add":2,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[],"failures":0,"error":null,"plan":"sha256:6b4342a786d84d036e9a6c3a1cce7f2d59fbcd963c4da42140e687da8905b836","seconds":0.301,"entries":4,"changes":null}],"skipped":[],"plan":"sha256:e7dc5002a304ed9a2d0e298e01b52271fde24d2953b3c98d547495ecac37d05b"}');
INSERT INTO public.runs VALUES ('01M8DTNC0EYKXCHRCYK1Q3TGT7', 'acme', '2026-11-27T06:21:40.750437+00:00', '2026-11-27T06:21:41.123257+00:00', 'partial', '{"directory":"acme","connector":"csv","run":"01M8DTNC0EYKXCHRCYK1Q3TGT7","status":"partial","started":"2026-11-27T06:21:40.750437+00:00","finished":"2026-11-27T06:21:41.123257+00:00","error":null,"pull":{"complete":true,"users":10,"groups":4,"memberships":12,"seconds":0.089,"unresolved":0,"changed":2},"targets":[{"target":"app","counts":{"users":{"create":0,"update":0,"deactivate":1,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":1}},"planned":{"users":{"create":0,"update":0,"deactivate":1,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":1}},"held":false,"guard":[],"skipped":[],"failed":[{"kind":"user","id":"u10","error":"where: cannot convert string to int","at":"/tmp/upgrade-jgw4ijse/ruled-postgresql/config.yaml:16"}],"failures":1,"error":null,"plan":"sha256:94e7d2781b9433dc8bbb89c66859d55ea1e876c3b1d9ef6db5a80a55917f326e","seconds":0.248,"entries":2,"changes":null}],"skipped":[],"plan":"sha256:4884b00074779d7ff4db59a27c365d70110917070975b438f4c64fc6dc512beb"}');
INSERT INTO public.runs VALUES ('01M8DTNCDD0F4PRDJYTE1X49GG', 'branch', '2026-11-27T06:21:41.165465+00:00', '2026-11-27T06:21:41.287252+00:00', 'succeeded', '{"directory":"branch","connector":"csv","run":"01M8DTNCDD0F4PRDJYTE1X49GG","status":"succeeded","started":"2026-11-27T06:21:41.165465+00:00","finished":"2026-11-27T06:21:41.287252+00:00","error":null,"pull":{"complete":true,"users":2,"groups":1,"memberships":2,"seconds":0.052,"unresolved":0,"changed":0},"targets":[{"target":"app","counts":{"users":{"create":0,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":0}},"planned":{"users":{"create":0,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[],"failures":0,"error":null,"plan":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","seconds":0.048,"entries":0,"changes":null}],"skipped":[],"plan":"sha256:81dbf0c08f1d5a809fa7cceca8adf551f7807bd230e0bbea70de1e48be8d7001"}');
INSERT INTO public.runs VALUES ('01M8DTNEFGED8BK2A7476ZZ9GA', 'acme', '2026-11-27T06:21:43.281020+00:00', NULL, NULL, '{"directory":"acme","connector":"csv","run":"01M8DTNEFGED8BK2A7476ZZ9GA","status":"failed","started":"2026-11-27T06:21:43.281020+00:00","finished":null,"error":null,"pull":null,"targets":[],"skipped":[],"plan":null}');
SELECT pg_catalog.setval('public.directories_id_seq', 2, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.delivered_members
    ADD CONSTRAINT delivered_members_pkey PRIMARY KEY (target, ref);
ALTER TABLE ONLY public.delivered
    ADD CONSTRAINT delivered_pkey PRIMARY KEY (target, ref);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (directory, target);
ALTER TABLE ONLY public.directories
    ADD CONSTRAINT directories_name_key UNIQUE (name);
ALTER TABLE ONLY public.directories
    ADD CONSTRAINT directories_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (run, seq);
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (ref);
ALTER TABLE ONLY public.names
    ADD CONSTRAINT names_pkey PRIMARY KEY (directory, name, ref);
ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (ref);
ALTER TABLE ONLY public.retries
    ADD CONSTRAINT retries_pkey PRIMARY KEY (target, ref);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
CREATE INDEX delivered_key ON public.delivered USING btree (target, kind, key);
CREATE INDEX ix_memberships_directory ON public.memberships USING btree (directory);
CREATE INDEX records_gone ON public.records USING btree (directory) WHERE (gone_at IS NOT NULL);
CREATE UNIQUE INDEX records_id ON public.records USING btree (directory, kind, id);
CREATE INDEX records_manager ON public.records USING btree (directory, manager);
CREATE INDEX records_revision ON public.records USING btree (directory, revision);
CREATE INDEX runs_directory ON public.runs USING btree (directory, id);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_directory_fkey FOREIGN KEY (directory) REFERENCES public.directories(id);
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_directory_fkey FOREIGN KEY (directory) REFERENCES public.directories(id);
ALTER TABLE ONLY public.names
    ADD CONSTRAINT names_directory_fkey FOREIGN KEY (directory) REFERENCES public.directories(id);
ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_directory_fkey FOREIGN KEY (directory) REFERENCES public.directories(id);
