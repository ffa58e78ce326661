-- A directory as the first version left it in SQLite, for migrations to begin with. Not to be changed.
PRAGMA journal_mode = WAL;
CREATE TABLE iam_schema (version_num VARCHAR(32) NOT NULL, CONSTRAINT iam_schema_pkc PRIMARY KEY (version_num));
INSERT INTO iam_schema VALUES ('0001');
CREATE TABLE iam_meta (id INTEGER NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (id), CHECK (id = 1));
INSERT INTO iam_meta VALUES (1, 2);
CREATE TABLE iam_entities (kind TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL,
  revision INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY (kind, account, name));
INSERT INTO iam_entities VALUES ('user', '000000000000', 'ann', '/staff/', 2,
  '{"kind":"user","account":"000000000000","arn":"arn:app:iam::000000000000:user/staff/Ann","groups":["Staff"],"id":"AIDA1","name":"Ann","path":"/staff/"}');
CREATE TABLE iam_links (relation TEXT NOT NULL, target TEXT NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL,
  name TEXT NOT NULL, PRIMARY KEY (relation, target, kind, account, name),
  FOREIGN KEY (kind, account, name) REFERENCES iam_entities (kind, account, name) ON DELETE CASCADE);
CREATE INDEX iam_links_by_entity ON iam_links (kind, account, name);
INSERT INTO iam_links VALUES ('id', 'AIDA1', 'user', '000000000000', 'ann');
INSERT INTO iam_links VALUES ('group', '000000000000/staff', 'user', '000000000000', 'ann');
CREATE TABLE iam_changes (revision INTEGER NOT NULL, ordinal INTEGER NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL,
  operation TEXT NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL, "before" TEXT, "after" TEXT,
  PRIMARY KEY (revision, ordinal));
INSERT INTO iam_changes VALUES (1, 0, '2026-01-01T00:00:00Z', 'arn:app:iam::000000000000:user/admin', 'CreateUser',
  'user', '000000000000', 'ann', NULL,
  '{"kind":"user","account":"000000000000","arn":"arn:app:iam::000000000000:user/staff/Ann","id":"AIDA1","name":"Ann","path":"/staff/"}');
INSERT INTO iam_changes VALUES (2, 0, '2026-01-02T00:00:00Z', 'arn:app:iam::000000000000:user/admin', 'AddUserToGroup',
  'user', '000000000000', 'ann',
  '{"kind":"user","account":"000000000000","arn":"arn:app:iam::000000000000:user/staff/Ann","id":"AIDA1","name":"Ann","path":"/staff/"}',
  '{"kind":"user","account":"000000000000","arn":"arn:app:iam::000000000000:user/staff/Ann","groups":["Staff"],"id":"AIDA1","name":"Ann","path":"/staff/"}');
