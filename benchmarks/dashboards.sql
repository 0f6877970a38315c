-- Rows of three years for benchmarks/dashboards.py, all from the number of the image, so that runs are alike.
-- 4 %% of images are rejected, 40 %% are chests, 7 %% get a REVIEW or REJECT verdict, 1 %% of the accepted are audited.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET work_mem = '256MB';
CREATE TEMP TABLE n AS SELECT i, 'i' || i AS key, abs(hashint4(i)) / 2147483647.0 AS u,
    abs(hashint4(i + 10000000)) / 2147483647.0 AS v, abs(hashint4(i + 20000000)) / 2147483647.0 AS w,
    encode(sha256(i::text::bytea), 'hex') AS digest, '1.2.826.0.1.3680043.2.' || i / 2 AS study
    FROM generate_series(0, %(images)s - 1) AS i;
INSERT INTO studies SELECT DISTINCT ON (study) study, 'A' || i, 'P' || i / 4, 'Doe^Jane', '20260101', '' FROM n;
INSERT INTO instances SELECT digest, study || '.1.' || i, '1.2.840.10008.5.1.4.1.1.1.1', study || '.1', study, 'DX', 'CHEST',
    'PA', 'S' || i %% 30, json_build_object('modality', 'DX', 'rows', 2500, 'columns', 2000, 'padding', repeat('x', 600)),
    'k', 12000000, 'SCANNER', '10.0.0.1',
    date '%(first)s' + (i %% %(days)s) * interval '1 day' + u * interval '1 day', false, '' FROM n;
INSERT INTO dispositions SELECT digest, study,
    CASE WHEN v < 0.02 THEN 'REJECT' WHEN v < 0.07 THEN 'REVIEW' WHEN v < 0.1 THEN 'NOT_ASSESSED' ELSE 'ACCEPT' END,
    v < 0.07, '2026-01', 'chest', '[]', now() at time zone 'utc', '' FROM n;
INSERT INTO acquisitions SELECT digest, (date '%(first)s' + i %% %(days)s), date '%(first)s' + (i %% %(days)s) + u * interval '1 day',
    substr(digest, 1, 13) || i / 4 %% 100, CASE WHEN w < 0.9 THEN 'DX' WHEN w < 0.96 THEN 'MG' ELSE 'CR' END,
    'Room ' || i %% 25, 'S' || i %% 30, 'D' || i %% 30, 'op-' || substr(md5((i %% 30)::text || floor(u * 3)), 1, 8),
    (ARRAY['CHEST','CHEST','CHEST','CHEST','HAND','KNEE','ANKLE','PELVIS','SPINE','SHOULDER'])[1 + floor(w * 10)::int %% 10],
    (ARRAY['PA','LL','AP','OBL'])[1 + floor(v * 4)::int %% 4], '', (ARRAY['early','late','night'])[1 + floor(u * 3)::int %% 3],
    300 * exp(u - 0.5), 300, 10 * (u - 0.5), CASE WHEN v < 0.02 THEN 'REJECT' WHEN v < 0.07 THEN 'REVIEW'
    WHEN v < 0.1 THEN 'NOT_ASSESSED' ELSE 'ACCEPT' END, 'quality-0.2.0', true, w < 0.02, v < 0.04,
    CASE WHEN v < 0.04 THEN (ARRAY['111209','111210','111211','111212','111215'])[1 + floor(w * 5)::int %% 5] ELSE '' END,
    CASE WHEN v < 0.06 THEN v < 0.045 WHEN v > 0.99 THEN v > 0.9995 END, true, now() at time zone 'utc' - interval '1 day' FROM n;
INSERT INTO acquisition_findings SELECT digest, f, (date '%(first)s' + i %% %(days)s), 'D' || i %% 30, substr(digest, 1, 16), u, w
    FROM n, unnest(ARRAY['motion_blur','unsharp','noise','overexposure_saturation','contrast_processing',
    'grid_artifact','clipped_anatomy','rotation_orientation','foreign_object','detector_overlay_artifact','double_exposure'])
    WITH ORDINALITY AS t(f, o) WHERE abs(hashint4(i * 16 + o::int)) / 2147483647.0 < 0.02;
INSERT INTO labels (digest, at, actor, origin, bad, rejects, findings, reason, regions, blind, sampled, source_uid, verdict,
    model_name, model_version, model_sha256, policy_version)
    SELECT digest, date '%(first)s' + (i %% %(days)s) + u * interval '1 day', 'reader' || i %% 7,
    CASE WHEN v < 0.06 THEN 'decision' ELSE 'audit' END, v < 0.045 OR v > 0.9995, v < 0.04, '[]', '', '[]', false,
    CASE WHEN v < 0.06 THEN 1 ELSE 0.01 END, '', CASE WHEN v < 0.02 THEN 'REJECT' WHEN v < 0.06 THEN 'REVIEW' ELSE 'ACCEPT' END,
    'quality', '0.2.0', '', '2026-01' FROM n WHERE v < 0.06 OR v > 0.99;
INSERT INTO labels (digest, at, actor, origin, bad, rejects, findings, reason, regions, blind, sampled, source_uid, verdict,
    model_name, model_version, model_sha256, policy_version)
    SELECT digest, at + interval '1 hour', 'reader8', 'second_reading', bad <> (label_id %% 9 = 0), false, '[]', '', '[]', true, 1,
    '', verdict, model_name, model_version, '', policy_version FROM labels WHERE label_id %% 20 = 0;
INSERT INTO label_requests SELECT digest, 'second_reading', 0.05, at, 'reader', at FROM labels WHERE origin = 'second_reading';
INSERT INTO label_findings SELECT label_id, f, abs(hashint8(label_id * 16 + o)) / 2147483647.0, false,
    abs(hashint8(label_id * 17 + o)) < abs(hashint8(label_id * 16 + o))
    FROM labels, unnest(ARRAY['motion_blur','unsharp','noise','overexposure_saturation','contrast_processing',
    'grid_artifact','clipped_anatomy','rotation_orientation','foreign_object','detector_overlay_artifact','double_exposure','gate'])
    WITH ORDINALITY AS t(f, o);
INSERT INTO measurement_weeks SELECT date '%(monday)s' + w * 7, 'S' || s, 'measurement_' || m, 900 + m * 10 + b,
    1 + abs(hashint4(w * 31 + s + m + b)) %% 10
    FROM generate_series(0, %(days)s / 7) AS w, generate_series(0, 29) AS s, generate_series(1, 18) AS m,
    generate_series(1, 40) AS b;
INSERT INTO measurement_weeks SELECT week, '', measurement, bin, sum(count) FROM measurement_weeks GROUP BY 1, 3, 4;
INSERT INTO shadow_assessments SELECT digest, 'quality-0.4.0', '', '{}', CASE WHEN w < 0.5 THEN 'ACCEPT' ELSE 'REVIEW' END,
    '2026-01', now() at time zone 'utc' + u * interval '1 hour' FROM n WHERE i %% 10 = 0;
