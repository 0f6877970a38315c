-- Made by python -m tests.runtime.store.new_sqlite: all migrations in one. Do not edit.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE executors (
	name VARCHAR(64) NOT NULL,
	started_at DATETIME NOT NULL,
	heartbeat_at DATETIME NOT NULL, holder TEXT,
	CONSTRAINT pk_executors PRIMARY KEY (name)
);
CREATE TABLE studies (
	study_instance_uid VARCHAR(64) NOT NULL,
	accession_number TEXT NOT NULL,
	patient_id TEXT NOT NULL,
	patient_name TEXT NOT NULL,
	study_date VARCHAR(8) NOT NULL,
	study_description TEXT NOT NULL, patient_number BIGINT,
	CONSTRAINT pk_studies PRIMARY KEY (study_instance_uid)
);
CREATE TABLE worklist_events (
	event_id INTEGER NOT NULL,
	study_instance_uid VARCHAR(64) NOT NULL,
	at DATETIME NOT NULL,
	action VARCHAR(16) NOT NULL,
	actor TEXT NOT NULL,
	comment TEXT NOT NULL, comment_phrase JSON,
	CONSTRAINT pk_worklist_events PRIMARY KEY (event_id)
);
CREATE TABLE instances (
	digest VARCHAR(64) NOT NULL,
	sop_instance_uid VARCHAR(64) NOT NULL,
	sop_class_uid VARCHAR(64) NOT NULL,
	series_instance_uid VARCHAR(64) NOT NULL,
	study_instance_uid VARCHAR(64) NOT NULL,
	modality VARCHAR(16) NOT NULL,
	body_part TEXT NOT NULL,
	"view" TEXT NOT NULL,
	station TEXT NOT NULL,
	header JSON NOT NULL,
	object_key TEXT NOT NULL,
	size_bytes BIGINT NOT NULL,
	calling_ae_title VARCHAR(16) NOT NULL,
	peer_address TEXT NOT NULL,
	received_at DATETIME NOT NULL,
	conflicting BOOLEAN NOT NULL, operator TEXT DEFAULT '' NOT NULL, promised_at DATETIME, archived_at DATETIME, restored_at DATETIME, removed_at DATETIME, deleted_at DATETIME, artifacts_removed_at DATETIME, artifacts_deleted_at DATETIME, removal_cause VARCHAR(16) DEFAULT '' NOT NULL, generation INTEGER DEFAULT '0' NOT NULL, archive_asked_at DATETIME, copy_digest VARCHAR(64), file_bytes BIGINT, verified_at DATETIME, patient_number BIGINT,
	CONSTRAINT fk_instances_study_instance_uid FOREIGN KEY(study_instance_uid) REFERENCES studies (study_instance_uid),
	CONSTRAINT pk_instances PRIMARY KEY (digest)
);
CREATE TABLE worklist (
	study_instance_uid VARCHAR(64) NOT NULL,
	verdict VARCHAR(16) NOT NULL,
	rank INTEGER NOT NULL,
	state VARCHAR(16) NOT NULL,
	flagged_at DATETIME NOT NULL,
	claimed_by TEXT NOT NULL,
	resolution VARCHAR(16),
	resolved_by TEXT NOT NULL,
	resolved_at DATETIME,
	comment TEXT NOT NULL, decision_id BIGINT, retaken_at DATETIME, severity INTEGER DEFAULT '0' NOT NULL,
	CONSTRAINT fk_worklist_study_instance_uid FOREIGN KEY(study_instance_uid) REFERENCES studies (study_instance_uid),
	CONSTRAINT pk_worklist PRIMARY KEY (study_instance_uid)
);
CREATE TABLE assessments (
	digest VARCHAR(64) NOT NULL,
	document JSON NOT NULL,
	score FLOAT,
	model_name TEXT NOT NULL,
	model_version TEXT NOT NULL,
	model_sha256 VARCHAR(64) NOT NULL,
	assessed_at DATETIME NOT NULL,
	CONSTRAINT fk_assessments_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_assessments PRIMARY KEY (digest)
);
CREATE TABLE attempts (
	digest VARCHAR(64) NOT NULL,
	begun INTEGER NOT NULL, began_at DATETIME,
	CONSTRAINT fk_attempts_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_attempts PRIMARY KEY (digest)
);
CREATE TABLE dispositions (
	digest VARCHAR(64) NOT NULL,
	study_instance_uid VARCHAR(64) NOT NULL,
	verdict VARCHAR(16) NOT NULL,
	flagged BOOLEAN NOT NULL,
	policy_version TEXT NOT NULL,
	scope TEXT NOT NULL,
	reasons JSON NOT NULL,
	decided_at DATETIME NOT NULL, certificate TEXT DEFAULT '' NOT NULL, certificate_phrase JSON,
	CONSTRAINT fk_dispositions_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_dispositions PRIMARY KEY (digest)
);
CREATE TABLE results (
	sop_instance_uid VARCHAR(64) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	sop_class_uid VARCHAR(64) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	object_key TEXT NOT NULL,
	made_at DATETIME NOT NULL, study_date TEXT, study_time TEXT, accession_number TEXT, referring_physician_name TEXT, referring_physician_name_ideographic TEXT, referring_physician_name_phonetic TEXT, patient_name TEXT, patient_name_ideographic TEXT, patient_name_phonetic TEXT, patient_id TEXT, study_instance_uid TEXT, study_id TEXT, patient_birth_date TEXT, patient_sex TEXT, study_description TEXT, modality TEXT, series_instance_uid TEXT, series_number TEXT, performed_procedure_step_start_date TEXT, performed_procedure_step_start_time TEXT, scheduled_procedure_step_id TEXT, requested_procedure_id TEXT, series_description TEXT, instance_number TEXT, generation INTEGER DEFAULT '0' NOT NULL, decision_id BIGINT, size_bytes BIGINT, sha256 VARCHAR(64), made_with JSON,
	CONSTRAINT fk_results_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_results PRIMARY KEY (sop_instance_uid)
);
CREATE TABLE activations (
	activation_id INTEGER NOT NULL,
	slot VARCHAR(16) NOT NULL,
	package TEXT NOT NULL,
	action VARCHAR(16) NOT NULL,
	actor TEXT NOT NULL,
	comment TEXT NOT NULL,
	at DATETIME NOT NULL,
	CONSTRAINT pk_activations PRIMARY KEY (activation_id)
);
CREATE TABLE shadow_assessments (
	digest VARCHAR(64) NOT NULL,
	package VARCHAR(128) NOT NULL,
	model_sha256 VARCHAR(64) NOT NULL,
	document JSON NOT NULL,
	verdict VARCHAR(16) NOT NULL,
	policy_version TEXT NOT NULL,
	assessed_at DATETIME NOT NULL,
	CONSTRAINT fk_shadow_assessments_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_shadow_assessments PRIMARY KEY (digest, package)
);
CREATE TABLE measurement_weeks (
	week DATE NOT NULL,
	station TEXT NOT NULL,
	measurement VARCHAR(64) NOT NULL,
	bin INTEGER NOT NULL,
	count INTEGER NOT NULL,
	CONSTRAINT pk_measurement_weeks PRIMARY KEY (week, station, measurement, bin)
);
CREATE TABLE rollup_marks (
	name VARCHAR(32) NOT NULL,
	until DATETIME NOT NULL,
	CONSTRAINT pk_rollup_marks PRIMARY KEY (name)
);
CREATE TABLE acquisition_findings (
	digest VARCHAR(64) NOT NULL,
	finding VARCHAR(32) NOT NULL,
	day DATE NOT NULL,
	detector TEXT NOT NULL,
	patient_key VARCHAR(20) NOT NULL,
	x FLOAT,
	y FLOAT,
	CONSTRAINT fk_acquisition_findings_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_acquisition_findings PRIMARY KEY (digest, finding)
);
CREATE TABLE acquisitions (
	digest VARCHAR(64) NOT NULL,
	day DATE NOT NULL,
	acquired_at DATETIME NOT NULL,
	patient_key VARCHAR(20) NOT NULL,
	modality VARCHAR(16) NOT NULL,
	room TEXT NOT NULL,
	station TEXT NOT NULL,
	detector TEXT NOT NULL,
	operator TEXT NOT NULL,
	body_part TEXT NOT NULL,
	"view" TEXT NOT NULL,
	laterality VARCHAR(16) NOT NULL,
	shift TEXT NOT NULL,
	exposure_index FLOAT,
	target_exposure_index FLOAT,
	deviation_index FLOAT,
	verdict VARCHAR(16) NOT NULL,
	model TEXT NOT NULL,
	archived BOOLEAN NOT NULL,
	repeated BOOLEAN NOT NULL,
	rejected BOOLEAN NOT NULL,
	reject_reason VARCHAR(16) NOT NULL,
	judged_bad BOOLEAN,
	binned BOOLEAN NOT NULL,
	changed_at DATETIME NOT NULL, moment DATETIME,
	CONSTRAINT fk_acquisitions_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_acquisitions PRIMARY KEY (digest)
);
CREATE TABLE label_requests (
	digest VARCHAR(64) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	share FLOAT NOT NULL,
	asked_at DATETIME NOT NULL,
	first_reader TEXT NOT NULL,
	answered_at DATETIME,
	CONSTRAINT fk_label_requests_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_label_requests PRIMARY KEY (digest, kind)
);
CREATE TABLE labels (
	label_id INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	at DATETIME NOT NULL,
	actor TEXT NOT NULL,
	origin VARCHAR(16) NOT NULL,
	bad BOOLEAN NOT NULL,
	rejects BOOLEAN NOT NULL,
	findings JSON,
	reason VARCHAR(16) NOT NULL,
	regions JSON NOT NULL,
	blind BOOLEAN NOT NULL,
	sampled FLOAT NOT NULL,
	source_uid VARCHAR(64) NOT NULL,
	verdict VARCHAR(16) NOT NULL,
	model_name TEXT NOT NULL,
	model_version TEXT NOT NULL,
	model_sha256 VARCHAR(64) NOT NULL,
	policy_version TEXT NOT NULL, decision_id BIGINT,
	CONSTRAINT fk_labels_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_labels PRIMARY KEY (label_id)
);
CREATE TABLE label_findings (
	label_id BIGINT NOT NULL,
	finding VARCHAR(32) NOT NULL,
	probability FLOAT NOT NULL,
	present BOOLEAN NOT NULL,
	labelled BOOLEAN,
	CONSTRAINT fk_label_findings_label_id FOREIGN KEY(label_id) REFERENCES labels (label_id),
	CONSTRAINT pk_label_findings PRIMARY KEY (label_id, finding)
);
CREATE TABLE delivery_events (
	event_id INTEGER NOT NULL,
	delivery_id BIGINT NOT NULL,
	at DATETIME NOT NULL,
	action VARCHAR(16) NOT NULL,
	actor TEXT NOT NULL,
	comment TEXT NOT NULL,
	CONSTRAINT fk_delivery_events_delivery_id FOREIGN KEY(delivery_id) REFERENCES deliveries (delivery_id),
	CONSTRAINT pk_delivery_events PRIMARY KEY (event_id)
);
CREATE TABLE users (
	name VARCHAR(64) NOT NULL,
	role VARCHAR(16) NOT NULL,
	password_hash TEXT NOT NULL,
	subject TEXT,
	disabled BOOLEAN NOT NULL,
	created_at DATETIME NOT NULL,
	CONSTRAINT pk_users PRIMARY KEY (name),
	CONSTRAINT uq_users_subject UNIQUE (subject)
);
CREATE TABLE sessions (
	token_sha256 VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	started_at DATETIME NOT NULL,
	seen_at DATETIME NOT NULL, provider_sid TEXT, sealed TEXT, checked_at DATETIME, asked_at DATETIME,
	CONSTRAINT fk_sessions_name FOREIGN KEY(name) REFERENCES users (name),
	CONSTRAINT pk_sessions PRIMARY KEY (token_sha256)
);
CREATE TABLE tokens (
	token_id INTEGER NOT NULL,
	token_sha256 VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	label TEXT NOT NULL,
	scopes TEXT NOT NULL,
	created_at DATETIME NOT NULL,
	expires_at DATETIME,
	used_at DATETIME,
	revoked_at DATETIME,
	CONSTRAINT fk_tokens_name FOREIGN KEY(name) REFERENCES users (name),
	CONSTRAINT pk_tokens PRIMARY KEY (token_id),
	CONSTRAINT uq_tokens_token_sha256 UNIQUE (token_sha256)
);
CREATE TABLE invitations (
	token_sha256 VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	expires_at DATETIME NOT NULL,
	CONSTRAINT pk_invitations PRIMARY KEY (token_sha256)
);
CREATE TABLE sign_ins (
	sign_in_id INTEGER NOT NULL,
	at DATETIME NOT NULL,
	name VARCHAR(64) NOT NULL,
	peer_address TEXT NOT NULL,
	means VARCHAR(16) NOT NULL,
	outcome VARCHAR(16) NOT NULL,
	CONSTRAINT pk_sign_ins PRIMARY KEY (sign_in_id)
);
CREATE TABLE series (
	series_instance_uid VARCHAR(64) NOT NULL,
	modality VARCHAR(16) NOT NULL,
	expected INTEGER NOT NULL,
	arrived_at DATETIME NOT NULL,
	pending BOOLEAN NOT NULL,
	CONSTRAINT pk_series PRIMARY KEY (series_instance_uid)
);
CREATE TABLE analysis_reports (
	month VARCHAR(7) NOT NULL,
	made_at DATETIME NOT NULL,
	CONSTRAINT pk_analysis_reports PRIMARY KEY (month)
);
CREATE TABLE worklist_facets (
	study_instance_uid VARCHAR(64) NOT NULL,
	label TEXT NOT NULL,
	CONSTRAINT fk_worklist_facets_study_instance_uid FOREIGN KEY(study_instance_uid) REFERENCES worklist (study_instance_uid),
	CONSTRAINT pk_worklist_facets PRIMARY KEY (study_instance_uid, label)
);
CREATE TABLE commitment_requests (
	transaction_uid VARCHAR(64) NOT NULL,
	calling_ae_title VARCHAR(16) NOT NULL,
	called_ae_title VARCHAR(16) NOT NULL,
	peer_address TEXT NOT NULL,
	objects JSON NOT NULL,
	requested_at DATETIME NOT NULL,
	attempts INTEGER NOT NULL,
	next_attempt_at DATETIME,
	reported_at DATETIME,
	last_error TEXT NOT NULL,
	CONSTRAINT pk_commitment_requests PRIMARY KEY (transaction_uid, calling_ae_title)
);
CREATE TABLE rejection_notes (
	note_uid VARCHAR(64) NOT NULL,
	sop_instance_uid VARCHAR(64) NOT NULL,
	title VARCHAR(16) NOT NULL,
	reason VARCHAR(16) NOT NULL,
	sender TEXT NOT NULL,
	noted_at DATETIME NOT NULL,
	digest VARCHAR(64), revoked_at DATETIME, made_at VARCHAR(21),
	CONSTRAINT pk_rejection_notes PRIMARY KEY (note_uid, sop_instance_uid)
);
CREATE TABLE acquisition_days (
	day DATE NOT NULL,
	modality VARCHAR(16) NOT NULL,
	within VARCHAR(16) NOT NULL,
	within_value TEXT NOT NULL,
	dimension VARCHAR(16) NOT NULL,
	value TEXT NOT NULL,
	images INTEGER NOT NULL,
	judged INTEGER NOT NULL,
	flagged INTEGER NOT NULL,
	rejected INTEGER NOT NULL,
	repeated INTEGER NOT NULL,
	escaped INTEGER NOT NULL,
	suspected INTEGER NOT NULL,
	di_count INTEGER NOT NULL,
	di_sum FLOAT NOT NULL,
	di_squares FLOAT NOT NULL,
	di_low INTEGER NOT NULL,
	di_high INTEGER NOT NULL,
	ei_count INTEGER NOT NULL,
	ei_log_sum FLOAT NOT NULL, decided INTEGER DEFAULT '0' NOT NULL,
	CONSTRAINT pk_acquisition_days PRIMARY KEY (day, modality, within, within_value, dimension, value)
);
CREATE TABLE announcements (
	study_instance_uid VARCHAR(64) NOT NULL,
	outcome VARCHAR(16) NOT NULL,
	rank INTEGER NOT NULL,
	sequence INTEGER NOT NULL,
	look_at DATETIME,
	CONSTRAINT fk_announcements_study_instance_uid_studies FOREIGN KEY(study_instance_uid) REFERENCES studies (study_instance_uid),
	CONSTRAINT pk_announcements PRIMARY KEY (study_instance_uid)
);
CREATE TABLE account_events (
	event_id INTEGER NOT NULL,
	at DATETIME NOT NULL,
	name VARCHAR(64) NOT NULL,
	action VARCHAR(16) NOT NULL,
	actor TEXT NOT NULL,
	detail TEXT NOT NULL,
	CONSTRAINT pk_account_events PRIMARY KEY (event_id)
);
CREATE TABLE enhancement_figures (
	figures_id INTEGER NOT NULL,
	method VARCHAR(64) NOT NULL,
	made_at DATETIME NOT NULL,
	since DATE NOT NULL,
	until DATE NOT NULL,
	images INTEGER NOT NULL,
	psnr_db FLOAT NOT NULL,
	ssim FLOAT NOT NULL,
	psnr_marked_db FLOAT NOT NULL,
	ssim_marked FLOAT NOT NULL,
	CONSTRAINT pk_enhancement_figures PRIMARY KEY (figures_id)
);
CREATE TABLE "deliveries" (
	delivery_id INTEGER NOT NULL,
	sop_instance_uid VARCHAR(64),
	destination TEXT NOT NULL,
	state VARCHAR(16) NOT NULL,
	attempts INTEGER NOT NULL,
	next_attempt_at DATETIME NOT NULL,
	lease_until DATETIME,
	last_error TEXT NOT NULL,
	queued_at DATETIME NOT NULL,
	sent_at DATETIME,
	transaction_uid VARCHAR(64),
	commit_at DATETIME,
	commit_attempts INTEGER DEFAULT '0' NOT NULL,
	committed_at DATETIME,
	event_id VARCHAR(64), failing_since DATETIME, note TEXT DEFAULT '' NOT NULL, last_error_phrase JSON, note_phrase JSON,
	CONSTRAINT fk_deliveries_event_id_events FOREIGN KEY(event_id) REFERENCES events (event_id),
	CONSTRAINT fk_deliveries_sop_instance_uid FOREIGN KEY(sop_instance_uid) REFERENCES results (sop_instance_uid),
	CONSTRAINT pk_deliveries PRIMARY KEY (delivery_id),
	CONSTRAINT uq_deliveries_event_id_destination UNIQUE (event_id, destination),
	CONSTRAINT uq_deliveries_sop_instance_uid_destination UNIQUE (sop_instance_uid, destination)
);
CREATE TABLE reader_studies (
	name VARCHAR(40) NOT NULL,
	protocol TEXT NOT NULL,
	protocol_sha256 VARCHAR(64) NOT NULL,
	planned_at DATETIME NOT NULL,
	planned_by TEXT NOT NULL,
	collected_at DATETIME,
	available INTEGER,
	CONSTRAINT pk_reader_studies PRIMARY KEY (name)
);
CREATE TABLE reader_study_images (
	study VARCHAR(40) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	run INTEGER NOT NULL,
	verdict VARCHAR(16) NOT NULL,
	score FLOAT,
	reasons JSON NOT NULL,
	CONSTRAINT fk_reader_study_images_digest_instances FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT fk_reader_study_images_study_reader_studies FOREIGN KEY(study) REFERENCES reader_studies (name),
	CONSTRAINT pk_reader_study_images PRIMARY KEY (study, digest)
);
CREATE TABLE reader_study_readings (
	study VARCHAR(40) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	reader VARCHAR(64) NOT NULL,
	arm VARCHAR(8) NOT NULL,
	grade VARCHAR(8) NOT NULL,
	rating INTEGER NOT NULL,
	reasons JSON NOT NULL,
	read_at DATETIME NOT NULL,
	CONSTRAINT fk_reader_study_readings_study_reader_study_images FOREIGN KEY(study, digest) REFERENCES reader_study_images (study, digest),
	CONSTRAINT pk_reader_study_readings PRIMARY KEY (study, digest, reader, arm)
);
CREATE TABLE legal_holds (
	hold_id INTEGER NOT NULL,
	study_instance_uid VARCHAR(64) NOT NULL,
	patient_id TEXT NOT NULL,
	reason TEXT NOT NULL,
	set_by TEXT NOT NULL,
	set_at DATETIME NOT NULL,
	cleared_by TEXT NOT NULL,
	cleared_at DATETIME,
	clearing_reason TEXT NOT NULL, authority TEXT,
	CONSTRAINT pk_legal_holds PRIMARY KEY (hold_id)
);
CREATE TABLE disk_samples (
	node VARCHAR(64) NOT NULL,
	at DATETIME NOT NULL,
	total_bytes BIGINT NOT NULL,
	free_bytes BIGINT NOT NULL,
	CONSTRAINT pk_disk_samples PRIMARY KEY (node, at)
);
CREATE TABLE reassessments (
	digest VARCHAR(64) NOT NULL,
	generation INTEGER NOT NULL,
	asked_at DATETIME NOT NULL,
	asked_by TEXT NOT NULL,
	comment TEXT NOT NULL,
	begun INTEGER NOT NULL,
	document JSON,
	earlier JSON,
	concluded_at DATETIME,
	failure TEXT NOT NULL, began_at DATETIME,
	CONSTRAINT fk_reassessments_digest_instances FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_reassessments PRIMARY KEY (digest, generation)
);
CREATE TABLE erasures (
	erasure_id INTEGER NOT NULL,
	at DATETIME NOT NULL,
	actor TEXT NOT NULL,
	reason TEXT NOT NULL,
	salt VARCHAR(32) NOT NULL,
	patient_sha256 VARCHAR(64) NOT NULL,
	studies INTEGER NOT NULL,
	images JSON NOT NULL,
	results JSON NOT NULL, authority TEXT,
	CONSTRAINT pk_erasures PRIMARY KEY (erasure_id)
);
CREATE TABLE site_limits (
	number INTEGER NOT NULL,
	proposed_at DATETIME NOT NULL,
	document JSON,
	confirmed_at DATETIME,
	actor TEXT NOT NULL,
	comment TEXT NOT NULL,
	CONSTRAINT pk_site_limits PRIMARY KEY (number)
);
CREATE TABLE decisions (
	decision_id INTEGER NOT NULL,
	study_instance_uid VARCHAR(64) NOT NULL,
	at DATETIME NOT NULL,
	actor TEXT NOT NULL,
	resolution VARCHAR(16),
	reason VARCHAR(16) NOT NULL,
	comment TEXT NOT NULL,
	images JSON NOT NULL,
	withdraws BIGINT, reported_at DATETIME,
	CONSTRAINT pk_decisions PRIMARY KEY (decision_id)
);
CREATE TABLE destination_checks (
	destination VARCHAR(64) NOT NULL,
	node VARCHAR(64) NOT NULL,
	kind TEXT NOT NULL,
	address TEXT NOT NULL,
	by_option BOOLEAN NOT NULL,
	answers BOOLEAN NOT NULL,
	detail TEXT NOT NULL,
	breaker_open BOOLEAN NOT NULL,
	since DATETIME NOT NULL,
	checked_at DATETIME NOT NULL, detail_phrase JSON,
	CONSTRAINT pk_destination_checks PRIMARY KEY (destination, node)
);
CREATE TABLE destination_holds (
	destination VARCHAR(64) NOT NULL,
	held_at DATETIME NOT NULL,
	actor TEXT NOT NULL,
	comment TEXT NOT NULL,
	CONSTRAINT pk_destination_holds PRIMARY KEY (destination)
);
CREATE TABLE senders (
	calling_ae_title VARCHAR(16) NOT NULL,
	peer_address VARCHAR(64) NOT NULL,
	seen_at DATETIME NOT NULL,
	admitted_at DATETIME,
	refused_at DATETIME,
	refusals INTEGER NOT NULL,
	reason TEXT NOT NULL,
	hint TEXT NOT NULL, hint_phrase JSON,
	CONSTRAINT pk_senders PRIMARY KEY (calling_ae_title, peer_address)
);
CREATE TABLE audit_records (
	record_id INTEGER NOT NULL,
	number BIGINT,
	at VARCHAR(32) NOT NULL,
	event VARCHAR(32) NOT NULL,
	actor TEXT NOT NULL,
	means VARCHAR(16) NOT NULL,
	peer TEXT NOT NULL,
	failed BOOLEAN NOT NULL,
	patient VARCHAR(32) NOT NULL,
	study VARCHAR(64) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	detail TEXT NOT NULL,
	sha256 VARCHAR(64),
	CONSTRAINT pk_audit_records PRIMARY KEY (record_id),
	CONSTRAINT uq_audit_records_number UNIQUE (number)
);
CREATE TABLE audit_patients (
	patient_id TEXT NOT NULL,
	"key" VARCHAR(64) NOT NULL,
	pseudonym VARCHAR(32) NOT NULL,
	CONSTRAINT pk_audit_patients PRIMARY KEY (patient_id),
	CONSTRAINT uq_audit_patients_pseudonym UNIQUE (pseudonym)
);
CREATE TABLE audit_marks (
	name VARCHAR(200) NOT NULL,
	number BIGINT NOT NULL,
	sha256 VARCHAR(64) NOT NULL,
	document TEXT NOT NULL,
	lease_until DATETIME,
	CONSTRAINT pk_audit_marks PRIMARY KEY (name)
);
CREATE TABLE source_headers (
	digest VARCHAR(64) NOT NULL,
	study_date TEXT NOT NULL,
	study_time TEXT NOT NULL,
	accession_number TEXT NOT NULL,
	referring_physician_name TEXT NOT NULL,
	referring_physician_name_ideographic TEXT NOT NULL,
	referring_physician_name_phonetic TEXT NOT NULL,
	patient_name TEXT NOT NULL,
	patient_name_ideographic TEXT NOT NULL,
	patient_name_phonetic TEXT NOT NULL,
	patient_id TEXT NOT NULL,
	study_instance_uid TEXT NOT NULL,
	study_id TEXT NOT NULL,
	patient_birth_date TEXT NOT NULL,
	patient_sex TEXT NOT NULL,
	study_description TEXT NOT NULL,
	modality TEXT NOT NULL,
	series_instance_uid TEXT NOT NULL,
	series_number TEXT NOT NULL,
	performed_procedure_step_start_date TEXT NOT NULL,
	performed_procedure_step_start_time TEXT NOT NULL,
	scheduled_procedure_step_id TEXT NOT NULL,
	requested_procedure_id TEXT NOT NULL,
	series_description TEXT NOT NULL,
	instance_number TEXT NOT NULL,
	CONSTRAINT fk_source_headers_digest_instances FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_source_headers PRIMARY KEY (digest)
);
CREATE TABLE "events" (
	event_id VARCHAR(64) NOT NULL,
	body TEXT NOT NULL,
	event_type VARCHAR(32) NOT NULL,
	digest VARCHAR(64),
	occurred_at DATETIME NOT NULL,
	CONSTRAINT fk_events_digest_instances FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_events PRIMARY KEY (event_id)
);
CREATE TABLE compatibility (
	oldest_schema VARCHAR(32) NOT NULL,
	CONSTRAINT pk_compatibility PRIMARY KEY (oldest_schema)
);
CREATE TABLE second_factors (
	name VARCHAR(64) NOT NULL,
	"key" TEXT NOT NULL,
	confirmed_at DATETIME,
	step BIGINT NOT NULL,
	CONSTRAINT fk_second_factors_name FOREIGN KEY(name) REFERENCES users (name),
	CONSTRAINT pk_second_factors PRIMARY KEY (name)
);
CREATE TABLE recovery_codes (
	code_sha256 VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	CONSTRAINT fk_recovery_codes_name FOREIGN KEY(name) REFERENCES users (name),
	CONSTRAINT pk_recovery_codes PRIMARY KEY (code_sha256)
);
CREATE TABLE half_sign_ins (
	token_sha256 VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	target TEXT NOT NULL,
	expires_at DATETIME NOT NULL,
	CONSTRAINT fk_half_sign_ins_name FOREIGN KEY(name) REFERENCES users (name),
	CONSTRAINT pk_half_sign_ins PRIMARY KEY (token_sha256)
);
CREATE TABLE saved_views (
	owner TEXT NOT NULL,
	name TEXT NOT NULL,
	is_shared BOOLEAN NOT NULL,
	"query" TEXT NOT NULL,
	saved_at DATETIME NOT NULL,
	CONSTRAINT pk_saved_views PRIMARY KEY (owner, name)
);
CREATE TABLE reject_logs (
	log_id INTEGER NOT NULL,
	mapping TEXT NOT NULL,
	imported_at DATETIME NOT NULL,
	imported_by TEXT NOT NULL,
	known INTEGER NOT NULL,
	CONSTRAINT pk_reject_logs PRIMARY KEY (log_id)
);
CREATE TABLE logged_rejects (
	"key" VARCHAR(64) NOT NULL,
	log_id INTEGER NOT NULL,
	day DATE NOT NULL,
	at DATETIME NOT NULL,
	match_from DATETIME NOT NULL,
	match_until DATETIME NOT NULL,
	modality VARCHAR(16) NOT NULL,
	room TEXT NOT NULL,
	unit TEXT NOT NULL,
	operator TEXT NOT NULL,
	body_part TEXT NOT NULL,
	"view" TEXT NOT NULL,
	shift TEXT NOT NULL,
	reason TEXT NOT NULL,
	code VARCHAR(16) NOT NULL,
	finding VARCHAR(32) NOT NULL,
	exposure_index FLOAT,
	target_exposure_index FLOAT,
	deviation_index FLOAT,
	kvp FLOAT,
	mas FLOAT,
	CONSTRAINT fk_logged_rejects_log_id_reject_logs FOREIGN KEY(log_id) REFERENCES reject_logs (log_id),
	CONSTRAINT pk_logged_rejects PRIMARY KEY ("key")
);
CREATE TABLE notice_preferences (
	account VARCHAR(64) NOT NULL,
	address TEXT NOT NULL,
	language VARCHAR(8) NOT NULL,
	rooms JSON NOT NULL,
	digest BOOLEAN NOT NULL,
	escalation BOOLEAN NOT NULL,
	quiet_from VARCHAR(5) NOT NULL,
	quiet_until VARCHAR(5) NOT NULL,
	changed_at DATETIME NOT NULL,
	CONSTRAINT fk_notice_preferences_account_users FOREIGN KEY(account) REFERENCES users (name),
	CONSTRAINT pk_notice_preferences PRIMARY KEY (account)
);
CREATE TABLE notices (
	notice_id INTEGER NOT NULL,
	account VARCHAR(64) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	subject VARCHAR(128) NOT NULL,
	since DATETIME NOT NULL,
	until DATETIME NOT NULL,
	state VARCHAR(16) NOT NULL,
	attempts INTEGER NOT NULL,
	next_attempt_at DATETIME NOT NULL,
	last_error TEXT NOT NULL,
	made_at DATETIME NOT NULL,
	sent_at DATETIME, last_error_phrase JSON,
	CONSTRAINT fk_notices_account_users FOREIGN KEY(account) REFERENCES users (name),
	CONSTRAINT pk_notices PRIMARY KEY (notice_id),
	CONSTRAINT uq_notices_account_kind_subject UNIQUE (account, kind, subject)
);
CREATE TABLE origin (
	began_empty BOOLEAN NOT NULL,
	CONSTRAINT pk_origin PRIMARY KEY (began_empty)
);
CREATE TABLE label_days (
	day DATE NOT NULL,
	dimension VARCHAR(16) NOT NULL,
	value TEXT NOT NULL,
	labels INTEGER NOT NULL,
	bad INTEGER NOT NULL,
	CONSTRAINT pk_label_days PRIMARY KEY (day, dimension, value)
);
CREATE TABLE pseudonym_keys (
	place TEXT NOT NULL,
	fingerprint VARCHAR(16) NOT NULL,
	used_at DATETIME NOT NULL,
	CONSTRAINT pk_pseudonym_keys PRIMARY KEY (place)
);
CREATE TABLE damages (
	object_key TEXT NOT NULL,
	digest VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	found_at DATETIME NOT NULL,
	CONSTRAINT fk_damages_digest_instances FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_damages PRIMARY KEY (object_key)
);
CREATE TABLE patients (
	patient_number INTEGER NOT NULL,
	patient_id TEXT NOT NULL,
	authority TEXT NOT NULL,
	is_known BOOLEAN NOT NULL,
	scope VARCHAR(64) NOT NULL,
	patient_name TEXT NOT NULL,
	patient_birth_date VARCHAR(8) NOT NULL,
	named_at DATETIME NOT NULL,
	CONSTRAINT pk_patients PRIMARY KEY (patient_number),
	CONSTRAINT uq_patients_patient_id_authority_is_known_scope UNIQUE (patient_id, authority, is_known, scope)
);
CREATE TABLE patient_names (
	patient_number INTEGER NOT NULL,
	patient_name TEXT NOT NULL,
	patient_birth_date VARCHAR(8) NOT NULL,
	named_at DATETIME NOT NULL,
	CONSTRAINT fk_patient_names_patient_number FOREIGN KEY(patient_number) REFERENCES patients (patient_number),
	CONSTRAINT pk_patient_names PRIMARY KEY (patient_number, patient_name, patient_birth_date)
);
CREATE TABLE patient_conflicts (
	study_instance_uid VARCHAR(64) NOT NULL,
	found_at DATETIME NOT NULL,
	resolved_at DATETIME,
	resolved_by TEXT NOT NULL,
	comment TEXT NOT NULL,
	CONSTRAINT pk_patient_conflicts PRIMARY KEY (study_instance_uid)
);
CREATE TABLE copies (
	digest VARCHAR(64) NOT NULL,
	"of" VARCHAR(64) NOT NULL,
	header JSON NOT NULL,
	size_bytes BIGINT NOT NULL,
	file_bytes BIGINT,
	calling_ae_title VARCHAR(16) NOT NULL,
	peer_address TEXT NOT NULL,
	received_at DATETIME NOT NULL,
	is_lossy BOOLEAN NOT NULL,
	waits BOOLEAN NOT NULL,
	CONSTRAINT fk_copies_of FOREIGN KEY("of") REFERENCES instances (digest),
	CONSTRAINT pk_copies PRIMARY KEY (digest)
);
CREATE TABLE retention_clock (
	place SMALLINT NOT NULL,
	seen_at DATETIME NOT NULL,
	confirmed_at DATETIME,
	waits_since DATETIME,
	CONSTRAINT pk_retention_clock PRIMARY KEY (place)
);
CREATE TABLE patient_readings (
	place SMALLINT NOT NULL,
	rules VARCHAR(64) NOT NULL,
	after_study VARCHAR(64) NOT NULL,
	images_left INTEGER NOT NULL,
	done_at DATETIME,
	CONSTRAINT pk_patient_readings PRIMARY KEY (place)
);
CREATE TABLE object_marks (
	mark_id INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	at DATETIME NOT NULL,
	actor TEXT NOT NULL,
	regions JSON NOT NULL,
	CONSTRAINT fk_object_marks_digest_instances FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_object_marks PRIMARY KEY (mark_id)
);
CREATE TABLE body_parts (
	body_part TEXT NOT NULL,
	began_at DATETIME NOT NULL,
	ended_at DATETIME,
	actor TEXT NOT NULL,
	comment TEXT NOT NULL,
	CONSTRAINT pk_body_parts PRIMARY KEY (body_part)
);
CREATE TABLE usual_baselines (
	baseline VARCHAR(16) NOT NULL,
	modality VARCHAR(16) NOT NULL,
	station TEXT NOT NULL,
	device TEXT NOT NULL,
	serial_number TEXT NOT NULL,
	software TEXT NOT NULL,
	protocol TEXT NOT NULL,
	kernel TEXT NOT NULL,
	body_part TEXT NOT NULL,
	"view" TEXT NOT NULL,
	first_at DATETIME NOT NULL,
	last_at DATETIME NOT NULL,
	series INTEGER NOT NULL,
	ranged_series INTEGER NOT NULL,
	ranges JSON NOT NULL, authority TEXT DEFAULT '' NOT NULL,
	CONSTRAINT pk_usual_baselines PRIMARY KEY (baseline)
);
CREATE TABLE usual_series (
	subject VARCHAR(64) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	baseline VARCHAR(16) NOT NULL,
	at DATETIME NOT NULL,
	assessed_at DATETIME NOT NULL,
	numbers JSON NOT NULL,
	unusual JSON NOT NULL,
	is_unusual BOOLEAN NOT NULL,
	CONSTRAINT fk_usual_series_baseline FOREIGN KEY(baseline) REFERENCES usual_baselines (baseline),
	CONSTRAINT fk_usual_series_digest FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_usual_series PRIMARY KEY (subject)
);
CREATE TABLE "phantom_series" (
	series_instance_uid VARCHAR(64) NOT NULL,
	study_instance_uid VARCHAR(64) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	reason TEXT NOT NULL,
	is_phantom BOOLEAN NOT NULL,
	recognised_at DATETIME NOT NULL,
	decided_by TEXT NOT NULL,
	decided_at DATETIME,
	comment TEXT NOT NULL,
	reason_phrase JSON,
	CONSTRAINT fk_phantom_series_digest_instances FOREIGN KEY(digest) REFERENCES instances (digest),
	CONSTRAINT pk_phantom_series PRIMARY KEY (series_instance_uid, study_instance_uid)
);
CREATE INDEX ix_account_events_name ON account_events (name);
CREATE INDEX ix_acquisition_days_dimension ON acquisition_days (within, within_value, dimension, day);
CREATE INDEX ix_acquisition_findings_finding ON acquisition_findings (finding, day);
CREATE INDEX ix_acquisitions_changed_at ON acquisitions (changed_at);
CREATE INDEX ix_acquisitions_day ON acquisitions (day);
CREATE INDEX ix_acquisitions_escaped ON acquisitions (day) WHERE judged_bad AND archived AND NOT rejected;
CREATE INDEX ix_acquisitions_patient ON acquisitions (patient_key, acquired_at);
CREATE INDEX ix_acquisitions_room ON acquisitions (room, day);
CREATE INDEX ix_acquisitions_unbinned ON acquisitions (digest) WHERE NOT binned;
CREATE INDEX ix_activations_slot ON activations (slot, activation_id);
CREATE INDEX ix_announcements_look_at ON announcements (look_at);
CREATE INDEX ix_audit_records_actor ON audit_records (actor);
CREATE INDEX ix_audit_records_at ON audit_records (at);
CREATE INDEX ix_audit_records_patient ON audit_records (patient);
CREATE INDEX ix_audit_records_study ON audit_records (study);
CREATE INDEX ix_commitment_requests_next_attempt_at ON commitment_requests (next_attempt_at);
CREATE INDEX ix_copies_of ON copies ("of");
CREATE INDEX ix_copies_waits ON copies ("of") WHERE waits;
CREATE INDEX ix_decisions_study_instance_uid ON decisions (study_instance_uid);
CREATE INDEX ix_decisions_unreported ON decisions (decision_id) WHERE reported_at IS NULL;
CREATE INDEX ix_decisions_withdraws ON decisions (withdraws);
CREATE INDEX ix_deliveries_commit ON deliveries (destination, commit_at);
CREATE INDEX ix_deliveries_due ON deliveries (destination, state, next_attempt_at);
CREATE INDEX ix_deliveries_sent ON deliveries (destination, sent_at);
CREATE INDEX ix_deliveries_state ON deliveries (state);
CREATE INDEX ix_deliveries_transaction_uid ON deliveries (transaction_uid);
CREATE INDEX ix_delivery_events_delivery_id ON delivery_events (delivery_id);
CREATE INDEX ix_dispositions_decided_at ON dispositions (decided_at, verdict);
CREATE INDEX ix_dispositions_study_instance_uid ON dispositions (study_instance_uid);
CREATE INDEX ix_events_digest ON events (digest);
CREATE INDEX ix_instances_bare ON instances (removed_at) WHERE removed_at IS NOT NULL AND artifacts_removed_at IS NULL;
CREATE INDEX ix_instances_bare_since ON instances (received_at, digest) WHERE removed_at IS NOT NULL AND artifacts_removed_at IS NULL;
CREATE INDEX ix_instances_kept ON instances (received_at) WHERE removed_at IS NULL;
CREATE INDEX ix_instances_kept_since ON instances (coalesce(restored_at, received_at), digest) WHERE removed_at IS NULL;
CREATE INDEX ix_instances_patient_number ON instances (patient_number, received_at, digest);
CREATE INDEX ix_instances_promised ON instances (archive_asked_at) WHERE promised_at IS NOT NULL AND archived_at IS NULL AND removed_at IS NULL;
CREATE INDEX ix_instances_received_at ON instances (received_at);
CREATE INDEX ix_instances_series_instance_uid ON instances (series_instance_uid);
CREATE INDEX ix_instances_sop_instance_uid ON instances (sop_instance_uid);
CREATE INDEX ix_instances_station ON instances (station, received_at);
CREATE INDEX ix_instances_study_instance_uid ON instances (study_instance_uid);
CREATE INDEX ix_instances_undeleted ON instances (digest) WHERE (removed_at IS NOT NULL AND deleted_at IS NULL) OR (artifacts_removed_at IS NOT NULL AND artifacts_deleted_at IS NULL);
CREATE INDEX ix_label_requests_answered_at ON label_requests (answered_at);
CREATE INDEX ix_labels_at ON labels (at);
CREATE INDEX ix_labels_decision_id ON labels (decision_id);
CREATE INDEX ix_labels_digest ON labels (digest);
CREATE INDEX ix_legal_holds_study_instance_uid ON legal_holds (study_instance_uid);
CREATE INDEX ix_logged_rejects_day ON logged_rejects (day, room);
CREATE INDEX ix_logged_rejects_log_id ON logged_rejects (log_id);
CREATE INDEX ix_notices_state ON notices (state, next_attempt_at);
CREATE INDEX ix_object_marks_digest ON object_marks (digest);
CREATE INDEX ix_phantom_series_recognised_at ON phantom_series (recognised_at);
CREATE INDEX ix_reassessments_concluded_at ON reassessments (concluded_at);
CREATE INDEX ix_recovery_codes_name ON recovery_codes (name);
CREATE INDEX ix_rejection_notes_digest ON rejection_notes (digest);
CREATE INDEX ix_rejection_notes_sop_instance_uid ON rejection_notes (sop_instance_uid);
CREATE INDEX ix_results_decision_id ON results (decision_id);
CREATE INDEX ix_results_digest ON results (digest);
CREATE INDEX ix_results_patient_id ON results (patient_id);
CREATE INDEX ix_results_series_instance_uid ON results (series_instance_uid);
CREATE INDEX ix_results_study_instance_uid ON results (study_instance_uid, made_at);
CREATE INDEX ix_senders_seen_at ON senders (seen_at);
CREATE INDEX ix_series_pending ON series (pending, arrived_at);
CREATE INDEX ix_sessions_name ON sessions (name);
CREATE INDEX ix_shadow_assessments_assessed_at ON shadow_assessments (assessed_at);
CREATE INDEX ix_shadow_assessments_package ON shadow_assessments (package);
CREATE INDEX ix_sign_ins_name ON sign_ins (name, at);
CREATE INDEX ix_sign_ins_peer_address ON sign_ins (peer_address, at);
CREATE INDEX ix_source_headers_patient_id ON source_headers (patient_id);
CREATE INDEX ix_source_headers_series_instance_uid ON source_headers (series_instance_uid);
CREATE INDEX ix_source_headers_study_instance_uid ON source_headers (study_instance_uid);
CREATE INDEX ix_studies_accession_number ON studies (accession_number);
CREATE INDEX ix_studies_patient_id ON studies (patient_id);
CREATE INDEX ix_studies_patient_number ON studies (patient_number);
CREATE INDEX ix_tokens_name ON tokens (name);
CREATE INDEX ix_usual_baselines_station ON usual_baselines (station);
CREATE INDEX ix_usual_series_baseline ON usual_series (baseline, at);
CREATE INDEX ix_usual_series_digest ON usual_series (digest);
CREATE INDEX ix_usual_series_unusual ON usual_series (baseline, at) WHERE is_unusual;
CREATE INDEX ix_worklist_claimed_by ON worklist (claimed_by, flagged_at);
CREATE INDEX ix_worklist_events_study_instance_uid ON worklist_events (study_instance_uid);
CREATE INDEX ix_worklist_facets_label ON worklist_facets (label, study_instance_uid);
CREATE INDEX ix_worklist_newest ON worklist (flagged_at, rank, study_instance_uid);
CREATE INDEX ix_worklist_state ON worklist (state, flagged_at);
CREATE INDEX ix_worklist_unresolved_newest ON worklist (flagged_at, rank, study_instance_uid) WHERE state != 'RESOLVED';
CREATE INDEX ix_worklist_unresolved_severe ON worklist (rank, severity, flagged_at, study_instance_uid) WHERE state != 'RESOLVED';
CREATE INDEX ix_worklist_unresolved_study ON worklist (study_instance_uid, flagged_at, rank) WHERE state != 'RESOLVED';
CREATE INDEX ix_worklist_unresolved_worst ON worklist (rank, flagged_at, study_instance_uid) WHERE state != 'RESOLVED';
CREATE VIEW analysis_images AS
        SELECT a.digest, i.sop_instance_uid, i.study_instance_uid, a.day, a.acquired_at, a.patient_key, a.modality,
            a.room, a.station, a.detector, a.operator, a.body_part, a.view, a.laterality, a.shift, a.exposure_index,
            a.target_exposure_index, a.deviation_index, a.verdict, a.model, a.archived, a.repeated, a.rejected,
            a.reject_reason, a.judged_bad
        FROM acquisitions a JOIN instances i ON i.digest = a.digest;
CREATE VIEW analysis_findings AS
        SELECT digest, day, finding, detector, patient_key, x, y FROM acquisition_findings;
CREATE VIEW analysis_measurements AS
        SELECT week, station, measurement, bin, count FROM measurement_weeks;
CREATE VIEW analysis_days AS
    SELECT day, modality, dimension, value, images, judged, flagged, rejected, repeated, escaped, suspected,
        di_count, di_sum, di_squares, di_low, di_high, ei_count, ei_log_sum
    FROM acquisition_days
 WHERE within = '';
CREATE VIEW analysis_labels AS
        SELECT l.label_id, l.digest, i.sop_instance_uid, DATE(l.at) AS day, l.at, l.actor, l.origin, l.bad, l.rejects,
            l.reason, l.blind, l.sampled, l.verdict, l.model_name, l.model_version, l.model_sha256, l.policy_version
        FROM labels l JOIN instances i ON i.digest = l.digest
     WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.withdraws = l.decision_id);
CREATE VIEW analysis_label_findings AS
        SELECT f.label_id, DATE(l.at) AS day, f.finding, f.probability, f.present, f.labelled
        FROM label_findings f JOIN labels l ON l.label_id = f.label_id
     WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.withdraws = l.decision_id);
CREATE VIEW analysis_logged_rejects AS
    SELECT r.log_id, r.day, r.at, r.modality, r.room, r.unit, r.operator, r.body_part, r.view, r.shift, r.reason,
           r.code AS reject_reason, r.finding, r.exposure_index, r.target_exposure_index, r.deviation_index,
           r.kvp, r.mas, l.mapping, l.imported_at
    FROM logged_rejects AS r JOIN reject_logs AS l ON l.log_id = r.log_id;
CREATE TRIGGER audit_records_kept BEFORE UPDATE ON audit_records WHEN OLD.number IS NOT NULL BEGIN SELECT RAISE(ABORT, 'records of the audit trail cannot be changed'); END;
CREATE TRIGGER audit_records_there BEFORE DELETE ON audit_records WHEN OLD.number IS NULL OR OLD.number > coalesce((SELECT number FROM audit_marks WHERE name = 'checkpoint'), 0) BEGIN SELECT RAISE(ABORT, 'records of the audit trail cannot be changed'); END;
INSERT INTO alembic_version VALUES ('0066');
INSERT INTO compatibility VALUES ('0045');
INSERT INTO origin VALUES (1);
