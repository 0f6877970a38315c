SELECT setseed(0.5);
CREATE UNLOGGED TABLE n AS SELECT i, '1.2.826.0.1.' || i AS study, encode(sha256(i::text::bytea), 'hex') AS digest,
    random() AS u, random() AS v, random() AS w, random() AS x, random() AS y,
    timestamp '%(first)s' + i * (interval '%(days)s days' / %(images)s) AS at FROM generate_series(1, %(images)s) AS i;
INSERT INTO studies SELECT study, 'A' || i, 'P' || i / 4, 'Doe^Jane', to_char(at, 'YYYYMMDD'), 'Thorax' FROM n;
INSERT INTO instances SELECT digest, study || '.1.1', '1.2.840.10008.5.1.4.1.1.1.1', study || '.1', study,
    CASE WHEN w < 0.7 THEN 'DX' WHEN w < 0.95 THEN 'CR' ELSE 'MG' END,
    (ARRAY['CHEST','CHEST','CHEST','HAND','KNEE','ANKLE','PELVIS','SPINE','SHOULDER','SKULL'])[1 + floor(u * 10)::int],
    (ARRAY['PA','LL','AP','OBL'])[1 + floor(x * 4)::int], 'ROOM ' || floor(y * y * 40)::int,
    json_build_object('sop_class_uid', '1.2.840.10008.5.1.4.1.1.1.1', 'sop_instance_uid', study || '.1.1', 'series_instance_uid',
    study || '.1', 'study_instance_uid', study, 'transfer_syntax_uid', '1.2.840.10008.1.2.1', 'modality', 'DX', 'rows', 2500,
    'columns', 2000, 'padding', repeat('x', 350)), 'k', 12000000, 'SCANNER', '10.0.0.1', at, false, '' FROM n;
INSERT INTO assessments SELECT digest, json_build_object('digest', digest, 'assessed_at', at || 'Z', 'header', json_build_object(
    'sop_class_uid', '1.2.840.10008.5.1.4.1.1.1.1', 'sop_instance_uid', study || '.1.1', 'series_instance_uid', study || '.1',
    'study_instance_uid', study, 'transfer_syntax_uid', '1.2.840.10008.1.2.1', 'modality', 'DX'), 'padding', repeat('x', 350)), floor(u * 100), 'quality', '0.2.0', repeat('0', 64), at + interval '1 second' FROM n;
INSERT INTO dispositions SELECT digest, study, CASE WHEN v < 0.03 THEN 'REJECT' WHEN v < 0.1 THEN 'REVIEW' WHEN v < 0.12 THEN
    'NOT_ASSESSED' ELSE 'ACCEPT' END, v < 0.1, '2026-01', 'chest', CASE WHEN v < 0.1 THEN json_build_array(json_build_object(
    'name', f, 'text', f || ': probability 0.97, severity 0.60', 'code', json_build_object('value', '111210', 'scheme', 'DCM',
    'meaning', 'Motion blur'), 'verdict', CASE WHEN v < 0.03 THEN 'REJECT' ELSE 'REVIEW' END)) ELSE '[]'::json END,
    at + interval '2 seconds', '' FROM (SELECT n.*, (ARRAY['motion_blur','unsharp','noise','clipped_anatomy',
    'foreign_object','rotation_orientation','grid_artifact','double_exposure'])[1 + floor(w * w * 8)::int] AS f FROM n) AS m;
INSERT INTO worklist SELECT study, CASE WHEN v < 0.03 THEN 'REJECT' ELSE 'REVIEW' END, CASE WHEN v < 0.03 THEN 3 ELSE 2 END,
    CASE WHEN u < 0.7 THEN 'RESOLVED' WHEN u < 0.75 THEN 'CLAIMED' ELSE 'OPEN' END, at + interval '2 seconds',
    CASE WHEN u < 0.75 THEN 'reader' || i %% 20 ELSE '' END, CASE WHEN u < 0.7 THEN 'dismissed' END,
    CASE WHEN u < 0.7 THEN 'reader' || i %% 20 ELSE '' END, CASE WHEN u < 0.7 THEN at + interval '1 hour' END, '' FROM n
    WHERE v < 0.1;
INSERT INTO worklist_events (study_instance_uid, at, action, actor, comment)
    SELECT study_instance_uid, flagged_at, 'flagged', '', '' FROM worklist ORDER BY flagged_at;
INSERT INTO worklist_facets SELECT DISTINCT w.study_instance_uid, label FROM worklist w JOIN instances i USING (study_instance_uid)
    JOIN dispositions d USING (digest), unnest(ARRAY['modality:' || i.modality, 'body_part:' || i.body_part, 'view:' || i.view,
    'station:' || i.station, 'reason:' || (d.reasons->0->>'name')]) AS label;
INSERT INTO results SELECT '2.25.' || i, digest, '1.2.840.10008.5.1.4.1.1.88.34', 'SR', 'k', at + interval '2 seconds' FROM n;
INSERT INTO deliveries (sop_instance_uid, destination, state, attempts, next_attempt_at, last_error, queued_at, sent_at)
    SELECT '2.25.' || i, 'PACS', CASE WHEN y < 0.0005 THEN 'FAILED' ELSE 'SENT' END, 1, at, '', at, at FROM n;
DROP TABLE n
