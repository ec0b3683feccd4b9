-- The only doors to the queue for roles other than the owner. Idempotent: run at every start.

CREATE OR REPLACE FUNCTION app.enqueue_job(name text, payload jsonb, queue text,
    run_at timestamptz, max_attempts integer, key text, priority integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT id FROM graphile_worker.add_job(
        identifier => name, payload => payload::json, queue_name => queue, run_at => run_at,
        max_attempts => max_attempts, job_key => key, priority => priority)
$$;
REVOKE ALL ON FUNCTION app.enqueue_job FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.enqueue_job TO lyceum_app, lyceum_maintenance;

-- Every job with the state that people see.
CREATE OR REPLACE FUNCTION app.list_jobs()
    RETURNS TABLE (id bigint, name text, state text, key text, attempts integer,
                   max_attempts integer, last_error text, run_at timestamptz,
                   created_at timestamptz, updated_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT j.id, t.identifier,
           CASE WHEN j.locked_at IS NOT NULL THEN 'running'
                WHEN j.attempts >= j.max_attempts THEN 'failed'
                ELSE 'waiting' END,
           j.key, j.attempts::integer, j.max_attempts::integer, j.last_error, j.run_at,
           j.created_at, j.updated_at
    FROM graphile_worker._private_jobs j
    JOIN graphile_worker._private_tasks t ON t.id = j.task_id
$$;
REVOKE ALL ON FUNCTION app.list_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.list_jobs TO lyceum_maintenance;

-- Gives a failed job all its attempts again.
CREATE OR REPLACE FUNCTION app.retry_failed_job(job_id bigint, attempts_again integer)
    RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH again AS (
        UPDATE graphile_worker._private_jobs
        SET attempts = 0, max_attempts = attempts_again, run_at = now(), updated_at = now()
        WHERE id = job_id AND locked_at IS NULL AND attempts >= max_attempts
        RETURNING id)
    SELECT EXISTS (SELECT FROM again)
$$;
REVOKE ALL ON FUNCTION app.retry_failed_job FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.retry_failed_job TO lyceum_maintenance;

CREATE OR REPLACE FUNCTION app.purge_failed_jobs(before timestamptz) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (
        DELETE FROM graphile_worker._private_jobs
        WHERE locked_at IS NULL AND attempts >= max_attempts AND run_at < before
        RETURNING id)
    SELECT count(*) FROM gone
$$;
REVOKE ALL ON FUNCTION app.purge_failed_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.purge_failed_jobs TO lyceum_maintenance;
