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
INSERT INTO public.counters VALUES ('ref', 19);
INSERT INTO public.delivered VALUES ('app', 1, 0, '"ada@acme.example"', 1953680189423657640, 1, NULL, 1, '{"active":true,"email":"ada@acme.example","name":"Ada"}');
INSERT INTO public.delivered VALUES ('app', 2, 0, '"bo@acme.example"', 2088504337737122163, 1, NULL, 1, '{"active":true,"email":"bo@acme.example","name":"Bo"}');
INSERT INTO public.delivered VALUES ('app', 3, 0, '"cy@acme.example"', 2216819238219061415, 1, NULL, 1, '{"active":true,"email":"cy@acme.example","name":"Cy"}');
INSERT INTO public.delivered VALUES ('app', 4, 0, '"di@acme.example"', 5967830083891149295, 1, NULL, 1, '{"active":true,"email":"di@acme.example","name":"Di"}');
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
INSERT INTO public.delivered VALUES ('app', 9, 0, '"ida@acme.example"', 4101586317500027358, 0, '2026-11-27T06:21:52.731120+00:00', 1, '{"active":false,"email":"ida@acme.example","name":"Ida"}');
INSERT INTO public.delivered_members VALUES ('app', 13, NULL, '\x020000000300000004000000050000000600000007000000');
INSERT INTO public.delivered_members VALUES ('app', 14, NULL, '\x030000000500000007000000');
INSERT INTO public.delivered_members VALUES ('app', 15, NULL, '\x01000000');
INSERT INTO public.delivered_members VALUES ('app', 18, NULL, '\x1000000011000000');
INSERT INTO public.delivered_members VALUES ('app', 12, '\x0a000000', '\x020000000300000004000000050000000600000007000000080000000b000000');
INSERT INTO public.deliveries VALUES (1, 'app', 2, 'ff4b2ccb9f655b7919d5eb395925b8a3baed3a3503557fdf08737a1acedde77b flattened');
INSERT INTO public.deliveries VALUES (2, 'app', 2, 'ff4b2ccb9f655b7919d5eb395925b8a3baed3a3503557fdf08737a1acedde77b flattened');
INSERT INTO public.directories VALUES (1, 'acme', NULL, '201996482dd71baa6e0c8f51c6fbc1613d4a285ed44f7a15b58f6ddde4da6f4e', '2026-11-27T06:21:52.655178+00:00', 2, 10, 4, 12);
INSERT INTO public.directories VALUES (2, 'branch', NULL, '2c8144f2474e24816ad34ad4bf1703a9fb5be1e8558533650cc6dc2738b14993', '2026-11-27T06:21:53.138044+00:00', 2, 2, 1, 2);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 0, 'app', 'create', 'user', 'u01', '"ada@acme.example"', NULL, '{"active":true,"email":"ada@acme.example","name":"Ada"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 1, 'app', 'create', 'user', 'u02', '"bo@acme.example"', NULL, '{"active":true,"email":"bo@acme.example","name":"Bo"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 2, 'app', 'create', 'user', 'u03', '"cy@acme.example"', NULL, '{"active":true,"email":"cy@acme.example","name":"Cy"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 3, 'app', 'create', 'user', 'u04', '"di@acme.example"', NULL, '{"active":true,"email":"di@acme.example","name":"Di"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 4, 'app', 'create', 'user', 'u05', '"u03"', NULL, '{"active":true,"email":"u03","name":"Eve"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 5, 'app', 'create', 'user', 'u06', '"fay@acme.example"', NULL, '{"active":true,"email":"fay@acme.example","name":"Fay"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 6, 'app', 'create', 'user', 'u07', '"gus@acme.example"', NULL, '{"active":true,"email":"gus@acme.example","name":"Gus"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 7, 'app', 'create', 'user', 'u08', '"hal@acme.example"', NULL, '{"active":false,"email":"hal@acme.example","name":"Hal"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 8, 'app', 'create', 'user', 'u09', '"ida@acme.example"', NULL, '{"active":true,"email":"ida@acme.example","name":"Ida"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 9, 'app', 'create', 'user', 'u11', '"kim@acme.example"', NULL, '{"active":true,"email":"kim@acme.example","name":"Kim"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 10, 'app', 'create', 'group', 'g1', '"staff"', NULL, '{"name":"staff"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 11, 'app', 'create', 'group', 'g2', '"g3"', NULL, '{"name":"g3"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 12, 'app', 'create', 'group', 'g3', '"tools"', NULL, '{"name":"tools"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 13, 'app', 'create', 'group', 'g4', '"board"', NULL, '{"name":"board"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 14, 'app', 'add', 'group', 'g1', '"staff"', NULL, NULL, '[{"kind":"user","id":"u02","key":"bo@acme.example"},{"kind":"user","id":"u03","key":"cy@acme.example"},{"kind":"user","id":"u04","key":"di@acme.example"},{"kind":"user","id":"u05","key":"u03"},{"kind":"user","id":"u06","key":"fay@acme.example"},{"kind":"user","id":"u07","key":"gus@acme.example"},{"kind":"user","id":"u08","key":"hal@acme.example"},{"kind":"user","id":"u09","key":"ida@acme.example"},{"kind":"user","id":"u11","key":"kim@acme.example"}]');
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 15, 'app', 'add', 'group', 'g2', '"g3"', NULL, NULL, '[{"kind":"user","id":"u02","key":"bo@acme.example"},{"kind":"user","id":"u03","key":"cy@acme.example"},{"kind":"user","id":"u04","key":"di@acme.example"},{"kind":"user","id":"u05","key":"u03"},{"kind":"user","id":"u06","key":"fay@acme.example"},{"kind":"user","id":"u07","key":"gus@acme.example"}]');
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 16, 'app', 'add', 'group', 'g3', '"tools"', NULL, NULL, '[{"kind":"user","id":"u03","key":"cy@acme.example"},{"kind":"user","id":"u05","key":"u03"},{"kind":"user","id":"u07","key":"gus@acme.example"}]');
INSERT INTO public.journal VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 17, 'app', 'add', 'group', 'g4', '"board"', NULL, NULL, '[{"kind":"user","id":"u01","key":"ada@acme.example"}]');
INSERT INTO public.journal VALUES ('01M8DTNNV3ESYW4E8PJMK9VPXT', 0, 'app', 'create', 'user', 'u01', '"zoe@branch.example"', NULL, '{"active":true,"email":"zoe@branch.example","name":"Zoe"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNV3ESYW4E8PJMK9VPXT', 1, 'app', 'create', 'user', 'u02', '"yan@branch.example"', NULL, '{"active":true,"email":"yan@branch.example","name":"Yan"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNV3ESYW4E8PJMK9VPXT', 2, 'app', 'create', 'group', 'g1', '"branch"', NULL, '{"name":"branch"}', NULL);
INSERT INTO public.journal VALUES ('01M8DTNNV3ESYW4E8PJMK9VPXT', 3, 'app', 'add', 'group', 'g1', '"branch"', NULL, NULL, '[{"kind":"user","id":"u01","key":"zoe@branch.example"},{"kind":"user","id":"u02","key":"yan@branch.example"}]');
INSERT INTO public.journal VALUES ('01M8DTNQKQ6D76JBF5TJJJ7YHV', 0, 'app', 'remove', 'group', 'g1', '"staff"', NULL, NULL, '[{"kind":"user","id":"u09","key":"ida@acme.example"}]');
INSERT INTO public.journal VALUES ('01M8DTNQKQ6D76JBF5TJJJ7YHV', 1, 'app', 'deactivate', 'user', 'u09', '"ida@acme.example"', '{"active":true,"email":"ida@acme.example","name":"Ida"}', '{"active":false,"email":"ida@acme.example","name":"Ida"}', NULL);
INSERT INTO public.memberships VALUES (13, 1, 9052148634572711803, 4, 1, NULL, '\xce24db2112e310a7c3a12a70162009aa6034938cb00f12cb8a6c25eb5f9e7361', '\x020000000400000006000000', '\x0e000000');
INSERT INTO public.memberships VALUES (14, 1, 7628357689868574310, 3, 1, NULL, '\xe603f9928db712aa5035f4dea1847ec630254f82b7224cf9', '\x030000000500000007000000', '\x');
INSERT INTO public.memberships VALUES (15, 1, 3181157224980449369, 1, 1, NULL, '\x5988a041a4bd252c', '\x01000000', '\x');
INSERT INTO public.memberships VALUES (18, 2, -8243456469924186909, 2, 1, NULL, '\x5988a041a4bd252c8a6c25eb5f9e7361', '\x1000000011000000', '\x');
INSERT INTO public.memberships VALUES (12, 1, 1105233675559620448, 4, 2, NULL, '\x7050a8f7f699e226b2ac18021600224474d145365982834aca0081e1c577ce59', '\x080000000a0000000b000000', '\x0d000000');
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
INSERT INTO public.names VALUES (1, -2702734787733430188, 6);
INSERT INTO public.names VALUES (1, -6408372602731289394, 6);
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
INSERT INTO public.records VALUES (1, 1, 0, 'u01', -8167967868376788644, '{"active":true,"displayName":"Ada","email":"ada@acme.example"}', '["user:u01"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (2, 1, 0, 'u02', 3278081985128766023, '{"active":true,"displayName":"Bo","email":"bo@acme.example"}', '["user:u02"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (3, 1, 0, 'u03', -1829042992706243148, '{"active":true,"displayName":"Cy","email":"cy@acme.example"}', '["user:u03"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (4, 1, 0, 'u04', 1507987834826093901, '{"active":true,"displayName":"Di","email":"di@acme.example"}', '["user:u04"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (5, 1, 0, 'u05', 6427352475069379589, '{"active":true,"displayName":"Eve","email":"u03"}', '["user:u05"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (6, 1, 0, 'u06', -8532947020246397318, '{"active":true,"displayName":"Fay","email":"fay@acme.example"}', '["user:u06"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (7, 1, 0, 'u07', -729608352247300428, '{"active":true,"displayName":"Gus","email":"gus@acme.example"}', '["user:u07"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (8, 1, 0, 'u08', 771863697191334914, '{"active":false,"displayName":"Hal","email":"hal@acme.example"}', '["user:u08"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (10, 1, 0, 'u10', 6789231914386460363, '{"active":true,"displayName":"Refused","email":"joe@acme.example"}', '["user:u10"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (11, 1, 0, 'u11', -3815986024244027031, '{"active":true,"displayName":"Kim","email":"kim@acme.example"}', '["user:u11"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (12, 1, 1, 'g1', -3669038743993922014, '{"displayName":"staff"}', '["group:g1"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (13, 1, 1, 'g2', 2538108118043002107, '{"displayName":"g3"}', '["group:g2"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (14, 1, 1, 'g3', -4691955650045435671, '{"displayName":"tools"}', '["group:g3"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (15, 1, 1, 'g4', 6539084056634100881, '{"displayName":"board"}', '["group:g4"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (16, 2, 0, 'u01', -7901770414075633438, '{"active":true,"displayName":"Zoe","email":"zoe@branch.example"}', '["user:u01"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (17, 2, 0, 'u02', -8867408474003003471, '{"active":true,"displayName":"Yan","email":"yan@branch.example"}', '["user:u02"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (18, 2, 1, 'g1', 7630795591759934474, '{"displayName":"branch"}', '["group:g1"]', NULL, 1, NULL);
INSERT INTO public.records VALUES (9, 1, 0, 'u09', -2819672473257211101, '{"active":true,"displayName":"Ida","email":"ida@acme.example"}', '["user:u09"]', NULL, 2, '2026-11-27T06:21:52.655178+00:00');
INSERT INTO public.retries VALUES ('app', 10);
INSERT INTO public.retries VALUES ('app', 12);
INSERT INTO public.runs VALUES ('01M8DTNNC1B9JV487KZXMZGB0Q', 'acme', '2026-11-27T06:21:50.337950+00:00', '2026-11-27T06:21:50.781514+00:00', 'partial', '{"directory":"acme","connector":"csv","run":"01M8DTNNC1B9JV487KZXMZGB0Q","status":"partial","started":"2026-11-27T06:21:50.337950+00:00","finished":"2026-11-27T06:21:50.781514+00:00","error":null,"pull":{"complete":true,"users":11,"groups":4,"memberships":13,"seconds":0.061,"unresolved":0,"changed":19},"targets":[{"target":"app","counts":{"users":{"create":10,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":4,"update":0,"delete":0},"memberships":{"add":19,"remove":0}},"planned":{"users":{"create":11,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":4,"update":0,"delete":0},"memberships":{"add":20,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[{"kind":"user","id":"u10","error":"new row for relation \"app_user\" violates check constraint \"app_user_name_check\"","at":null}],"failures":1,"error":null,"plan":"sha256:c841b50d0ce1fdadae80e11d5198ad00c9dae14e958a7531ad5e091516de7d67","seconds":0.321,"entries":18,"changes":null}],"skipped":[],"plan":"sha256:41ee3baa44ceb61986ebc0449e47809ae6ff64df35a583926355d9733d6dd059"}');
INSERT INTO public.runs VALUES ('01M8DTNNV3ESYW4E8PJMK9VPXT', 'branch', '2026-11-27T06:21:50.819799+00:00', '2026-11-27T06:21:51.129181+00:00', 'succeeded', '{"directory":"branch","connector":"csv","run":"01M8DTNNV3ESYW4E8PJMK9VPXT","status":"succeeded","started":"2026-11-27T06:21:50.819799+00:00","finished":"2026-11-27T06:21:51.129181+00:00","error":null,"pull":{"complete":true,"users":2,"groups":1,"memberships":2,"seconds":0.042,"unresolved":0,"changed":4},"targets":[{"target":"app","counts":{"users":{"create":2,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":1,"update":0,"delete":0},"memberships":{"add":2,"remove":0}},"planned":{"users":{"create":2,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":1,"update":0,"delete":0},"memberships":{"add":2,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[],"failures":0,"error":null,"plan":"sha256:6b4342a786d84d036e9a6c3a1cce7f2d59fbcd963c4da42140e687da8905b836","seconds":0.228,"entries":4,"changes":null}],"skipped":[],"plan":"sha256:e7dc5002a304ed9a2d0e298e01b52271fde24d2953b3c98d547495ecac37d05b"}');
INSERT INTO public.runs VALUES ('01M8DTNQKQ6D76JBF5TJJJ7YHV', 'acme', '2026-11-27T06:21:52.631496+00:00', '2026-11-27T06:21:53.063955+00:00', 'partial', '{"directory":"acme","connector":"csv","run":"01M8DTNQKQ6D76JBF5TJJJ7YHV","status":"partial","started":"2026-11-27T06:21:52.631496+00:00","finished":"2026-11-27T06:21:53.063955+00:00","error":null,"pull":{"complete":true,"users":10,"groups":4,"memberships":12,"seconds":0.073,"unresolved":0,"changed":2},"targets":[{"target":"app","counts":{"users":{"create":0,"update":0,"deactivate":1,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":1}},"planned":{"users":{"create":1,"update":0,"deactivate":1,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":1,"remove":1}},"held":false,"guard":[],"skipped":[],"failed":[{"kind":"user","id":"u10","error":"new row for relation \"app_user\" violates check constraint \"app_user_name_check\"","at":null}],"failures":1,"error":null,"plan":"sha256:ae4abab5810b12816db8e97b2753375d07ee8a3abd3fa3aa277841bf55d88f8c","seconds":0.324,"entries":2,"changes":null}],"skipped":[],"plan":"sha256:c873b70fb33cb905e6e16d990a8676a49f47abbeb66b928c0a9fe1db976feb53"}');
INSERT INTO public.runs VALUES ('01M8DTNR2VS3V72A6BWWMY3C48', 'branch', '2026-11-27T06:21:53.115728+00:00', '2026-11-27T06:21:53.266393+00:00', 'succeeded', '{"directory":"branch","connector":"csv","run":"01M8DTNR2VS3V72A6BWWMY3C48","status":"succeeded","started":"2026-11-27T06:21:53.115728+00:00","finished":"2026-11-27T06:21:53.266393+00:00","error":null,"pull":{"complete":true,"users":2,"groups":1,"memberships":2,"seconds":0.063,"unresolved":0,"changed":0},"targets":[{"target":"app","counts":{"users":{"create":0,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":0}},"planned":{"users":{"create":0,"update":0,"deactivate":0,"reactivate":0,"delete":0},"groups":{"create":0,"update":0,"delete":0},"memberships":{"add":0,"remove":0}},"held":false,"guard":[],"skipped":[],"failed":[],"failures":0,"error":null,"plan":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","seconds":0.058,"entries":0,"changes":null}],"skipped":[],"plan":"sha256:81dbf0c08f1d5a809fa7cceca8adf551f7807bd230e0bbea70de1e48be8d7001"}');
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
