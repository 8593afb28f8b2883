-- Referrers: whether an artifact's manifest itself names its subject, and not only a tag of the form sha256-…. Lists of
-- referrers show no others; of one artifact type they are found in an index. What is there is asked first, so that the
-- migration can be run again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE artifacts ADD COLUMN referrer BIGINT NOT NULL DEFAULT 0, ADD KEY artifacts_referrers (repository_id, subject, artifact_type, id)',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'artifacts' AND column_name = 'referrer');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
UPDATE artifacts SET referrer = 1 WHERE subject <> '' AND kind <> 'REFERRERS';
