CREATE TABLE public.app_group (
    id integer NOT NULL,
    name character varying(80) NOT NULL
);
CREATE SEQUENCE public.app_group_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.app_group_id_seq OWNED BY public.app_group.id;
CREATE TABLE public.app_user (
    id integer NOT NULL,
    email character varying(80) NOT NULL,
    name text,
    active boolean NOT NULL,
    password text,
    CONSTRAINT app_user_name_check CHECK ((name <> 'Refused'::text))
);
CREATE TABLE public.app_user_group (
    user_id integer NOT NULL,
    group_id integer NOT NULL
);
CREATE SEQUENCE public.app_user_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.app_user_id_seq OWNED BY public.app_user.id;
ALTER TABLE ONLY public.app_group ALTER COLUMN id SET DEFAULT nextval('public.app_group_id_seq'::regclass);
ALTER TABLE ONLY public.app_user ALTER COLUMN id SET DEFAULT nextval('public.app_user_id_seq'::regclass);
INSERT INTO public.app_group VALUES (1, 'staff');
INSERT INTO public.app_group VALUES (2, 'g3');
INSERT INTO public.app_group VALUES (3, 'tools');
INSERT INTO public.app_group VALUES (4, 'board');
INSERT INTO public.app_group VALUES (5, 'branch');
INSERT INTO public.app_user VALUES (21, 'ada@acme.example', 'Ada', true, 'of ada@acme.example');
INSERT INTO public.app_user VALUES (23, 'cy@acme.example', 'Cy', true, 'of cy@acme.example');
INSERT INTO public.app_user VALUES (25, 'u03', 'Eve', true, 'of u03');
INSERT INTO public.app_user VALUES (31, 'fay@acme.example', 'Fay', true, 'of fay@acme.example');
INSERT INTO public.app_user VALUES (32, 'gus@acme.example', 'Gus', true, 'of gus@acme.example');
INSERT INTO public.app_user VALUES (33, 'hal@acme.example', 'Hal', false, 'of hal@acme.example');
INSERT INTO public.app_user VALUES (39, 'kim@acme.example', 'Kim', true, 'of kim@acme.example');
INSERT INTO public.app_user VALUES (40, 'zoe@branch.example', 'Zoe', true, 'of zoe@branch.example');
INSERT INTO public.app_user VALUES (41, 'yan@branch.example', 'Yan', true, 'of yan@branch.example');
INSERT INTO public.app_user VALUES (36, 'ida@acme.example', 'Ida', false, 'of ida@acme.example');
INSERT INTO public.app_user VALUES (22, 'bo.new@acme.example', 'Bo', true, 'of bo@acme.example');
INSERT INTO public.app_user VALUES (24, 'di@acme.example', 'Diana', true, 'of di@acme.example');
INSERT INTO public.app_user VALUES (46, 'lea@acme.example', 'Lea', true, NULL);
INSERT INTO public.app_user_group VALUES (22, 1);
INSERT INTO public.app_user_group VALUES (23, 1);
INSERT INTO public.app_user_group VALUES (24, 1);
INSERT INTO public.app_user_group VALUES (25, 1);
INSERT INTO public.app_user_group VALUES (32, 1);
INSERT INTO public.app_user_group VALUES (33, 1);
INSERT INTO public.app_user_group VALUES (39, 1);
INSERT INTO public.app_user_group VALUES (22, 2);
INSERT INTO public.app_user_group VALUES (23, 2);
INSERT INTO public.app_user_group VALUES (24, 2);
INSERT INTO public.app_user_group VALUES (25, 2);
INSERT INTO public.app_user_group VALUES (32, 2);
INSERT INTO public.app_user_group VALUES (23, 3);
INSERT INTO public.app_user_group VALUES (25, 3);
INSERT INTO public.app_user_group VALUES (21, 4);
INSERT INTO public.app_user_group VALUES (40, 5);
INSERT INTO public.app_user_group VALUES (41, 5);
INSERT INTO public.app_user_group VALUES (46, 1);
INSERT INTO public.app_user_group VALUES (46, 2);
INSERT INTO public.app_user_group VALUES (46, 3);
INSERT INTO public.app_user_group VALUES (46, 4);
SELECT pg_catalog.setval('public.app_group_id_seq', 5, true);
SELECT pg_catalog.setval('public.app_user_id_seq', 46, true);
ALTER TABLE ONLY public.app_group
    ADD CONSTRAINT app_group_name_key UNIQUE (name);
ALTER TABLE ONLY public.app_group
    ADD CONSTRAINT app_group_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.app_user
    ADD CONSTRAINT app_user_email_key UNIQUE (email);
ALTER TABLE ONLY public.app_user_group
    ADD CONSTRAINT app_user_group_pkey PRIMARY KEY (user_id, group_id);
ALTER TABLE ONLY public.app_user
    ADD CONSTRAINT app_user_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.app_user_group
    ADD CONSTRAINT app_user_group_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.app_group(id);
ALTER TABLE ONLY public.app_user_group
    ADD CONSTRAINT app_user_group_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.app_user(id);
