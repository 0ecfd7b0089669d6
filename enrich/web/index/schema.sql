-- The index: disposable, made from the store. Truth stays in RDF.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Everything that a facet can have for a value: IRIs, literals as N-Triples spell them, words. 0 is for none.
CREATE TABLE term (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO term VALUES (0, '');
CREATE TABLE name (id INTEGER PRIMARY KEY, term INTEGER NOT NULL, language TEXT NOT NULL, text TEXT NOT NULL,
                   UNIQUE (term, language));
-- The concepts above a value, the nearest first.
CREATE TABLE above (term INTEGER NOT NULL, place INTEGER NOT NULL, broader INTEGER NOT NULL,
                    PRIMARY KEY (term, place)) WITHOUT ROWID;

-- Runs: their answers count while they are active and shown, that is, read whole.
CREATE TABLE run (id INTEGER PRIMARY KEY, iri TEXT NOT NULL UNIQUE, state TEXT NOT NULL, turn INTEGER NOT NULL,
                  ended TEXT NOT NULL, model INTEGER NOT NULL, title TEXT NOT NULL,
                  shown INTEGER NOT NULL DEFAULT 0);
-- A shard's answers have the ids from `first` to `last`.
CREATE TABLE shard (iri TEXT PRIMARY KEY, run INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE INDEX shard_run ON shard (run, first, last);
-- Sets of runs that answered the same gap later, as JSON: while one of them counts, the earlier answer does not.
CREATE TABLE later (id INTEGER PRIMARY KEY, runs TEXT NOT NULL UNIQUE);
INSERT INTO later VALUES (0, '[]');

CREATE TABLE record (id INTEGER PRIMARY KEY, iri TEXT NOT NULL UNIQUE, name TEXT NOT NULL, sort TEXT NOT NULL,
                     museum INTEGER NOT NULL, picture TEXT);
CREATE INDEX record_sort ON record (sort, id);

-- What the facts state of records that have an answer, as classes.
CREATE TABLE known (record INTEGER NOT NULL, property INTEGER NOT NULL, value INTEGER NOT NULL,
                    PRIMARY KEY (property, record, value)) WITHOUT ROWID;

-- Answers that no facet tells apart are counted together.
CREATE TABLE cell (id INTEGER PRIMARY KEY,
                   property INTEGER NOT NULL, value INTEGER NOT NULL, band INTEGER NOT NULL, state INTEGER NOT NULL,
                   outcome INTEGER NOT NULL, reason INTEGER NOT NULL, regime INTEGER NOT NULL, museum INTEGER NOT NULL,
                   agreement INTEGER NOT NULL, run INTEGER NOT NULL, later INTEGER NOT NULL, filled INTEGER NOT NULL,
                   n INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 0,
                   UNIQUE (property, value, band, state, outcome, reason, regime, museum, agreement, run, later, filled));
CREATE INDEX cell_version ON cell (version);
CREATE TABLE answer (id INTEGER PRIMARY KEY, cell INTEGER NOT NULL, record INTEGER NOT NULL,
                     confidence REAL NOT NULL, margin REAL NOT NULL, promised REAL, threshold REAL,
                     prediction TEXT NOT NULL);
CREATE INDEX answer_cell ON answer (cell);
CREATE INDEX answer_record ON answer (record);
CREATE INDEX answer_confidence ON answer (confidence);
CREATE INDEX answer_margin ON answer (margin);

CREATE TABLE verdict (record TEXT NOT NULL, property TEXT NOT NULL, value TEXT NOT NULL, decision TEXT NOT NULL,
                      PRIMARY KEY (record, property, value)) WITHOUT ROWID;

CREATE VIRTUAL TABLE record_words USING fts5 (name, content = 'record', content_rowid = 'id',
                                              tokenize = "unicode61 remove_diacritics 2");
CREATE TRIGGER record_in AFTER INSERT ON record BEGIN
  INSERT INTO record_words (rowid, name) VALUES (new.id, new.name);
END;
CREATE TRIGGER record_anew AFTER UPDATE OF name ON record BEGIN
  INSERT INTO record_words (record_words, rowid, name) VALUES ('delete', old.id, old.name);
  INSERT INTO record_words (rowid, name) VALUES (new.id, new.name);
END;

CREATE VIRTUAL TABLE name_words USING fts5 (text, content = 'name', content_rowid = 'id',
                                            tokenize = "unicode61 remove_diacritics 2");
CREATE TRIGGER name_in AFTER INSERT ON name BEGIN
  INSERT INTO name_words (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER name_out AFTER DELETE ON name BEGIN
  INSERT INTO name_words (name_words, rowid, text) VALUES ('delete', old.id, old.text);
END;
