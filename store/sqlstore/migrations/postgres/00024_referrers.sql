-- Referrers: whether an artifact's manifest itself names its subject, and not only a tag of the form sha256-…. Lists of
-- referrers show no others; of one artifact type they are found in an index.

-- +goose Up
ALTER TABLE artifacts ADD COLUMN referrer BIGINT NOT NULL DEFAULT 0;
UPDATE artifacts SET referrer = 1 WHERE subject <> '' AND kind <> 'REFERRERS';
CREATE INDEX artifacts_referrers ON artifacts (repository_id, subject, artifact_type, id) WHERE referrer = 1;
