CREATE TABLE public.group_members (
    directory text NOT NULL,
    group_id text NOT NULL,
    member_id text NOT NULL
);
CREATE TABLE public.groups (
    name text NOT NULL
);
CREATE TABLE public.users (
    email text NOT NULL,
    name text,
    active boolean,
    password text
);
INSERT INTO public.group_members VALUES ('acme', 'staff', 'hal@acme.example');
INSERT INTO public.group_members VALUES ('acme', 'staff', 'kim@acme.example');
INSERT INTO public.group_members VALUES ('acme', 'staff', 'g3');
INSERT INTO public.group_members VALUES ('acme', 'g3', 'bo@acme.example');
INSERT INTO public.group_members VALUES ('acme', 'g3', 'di@acme.example');
INSERT INTO public.group_members VALUES ('acme', 'g3', 'fay@acme.example');
INSERT INTO public.group_members VALUES ('acme', 'g3', 'tools');
INSERT INTO public.group_members VALUES ('acme', 'tools', 'cy@acme.example');
INSERT INTO public.group_members VALUES ('acme', 'tools', 'u03');
INSERT INTO public.group_members VALUES ('acme', 'tools', 'gus@acme.example');
INSERT INTO public.group_members VALUES ('acme', 'board', 'ada@acme.example');
INSERT INTO public.group_members VALUES ('branch', 'branch', 'zoe@branch.example');
INSERT INTO public.group_members VALUES ('branch', 'branch', 'yan@branch.example');
INSERT INTO public.groups VALUES ('staff');
INSERT INTO public.groups VALUES ('g3');
INSERT INTO public.groups VALUES ('tools');
INSERT INTO public.groups VALUES ('board');
INSERT INTO public.groups VALUES ('branch');
INSERT INTO public.users VALUES ('ada@acme.example', 'Ada', true, 'of ada@acme.example');
INSERT INTO public.users VALUES ('bo@acme.example', 'Bo', true, 'of bo@acme.example');
INSERT INTO public.users VALUES ('cy@acme.example', 'Cy', true, 'of cy@acme.example');
INSERT INTO public.users VALUES ('di@acme.example', 'Di', true, 'of di@acme.example');
INSERT INTO public.users VALUES ('u03', 'Eve', true, 'of u03');
INSERT INTO public.users VALUES ('fay@acme.example', 'Fay', true, 'of fay@acme.example');
INSERT INTO public.users VALUES ('gus@acme.example', 'Gus', true, 'of gus@acme.example');
INSERT INTO public.users VALUES ('hal@acme.example', 'Hal', false, 'of hal@acme.example');
INSERT INTO public.users VALUES ('kim@acme.example', 'Kim', true, 'of kim@acme.example');
INSERT INTO public.users VALUES ('zoe@branch.example', 'Zoe', true, 'of zoe@branch.example');
INSERT INTO public.users VALUES ('yan@branch.example', 'Yan', true, 'of yan@branch.example');
INSERT INTO public.users VALUES ('ida@acme.example', 'Ida', false, 'of ida@acme.example');
ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT group_members_pkey PRIMARY KEY (directory, group_id, member_id);
ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (email);
