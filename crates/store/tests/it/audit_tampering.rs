//! Every change of the audit log past its chain is found and named.

use lyceum_core::Clock;
use lyceum_store::audit::{self, Anchor, FaultKind, Range};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::audit_chain::{kinds, linked, owner, verified};

/// What somebody does who owns the database, to the fifth entry and its link, and what is found
/// afterwards at the links of which entries.
const TAMPERING: &[(&str, &[(FaultKind, usize)])] = &[
    (
        "UPDATE ops.audit_logs SET action = 'nothing' WHERE id = fifth",
        &[(FaultKind::EntryChanged, 5)],
    ),
    ("UPDATE ops.audit_logs SET user_id = id WHERE id = fifth", &[(FaultKind::EntryChanged, 5)]),
    (
        "UPDATE ops.audit_logs SET new_values = '{}' WHERE id = fifth",
        &[(FaultKind::EntryChanged, 5)],
    ),
    (
        "UPDATE ops.audit_logs SET old_values = NULL WHERE id = fifth",
        &[(FaultKind::EntryChanged, 5)],
    ),
    (
        "UPDATE ops.audit_logs SET ip_address = '192.0.2.1/24' WHERE id = fifth",
        &[(FaultKind::EntryChanged, 5)],
    ),
    ("DELETE FROM ops.audit_logs WHERE id = fifth", &[(FaultKind::EntryMissing, 5)]),
    // Two entries change places.
    (
        "UPDATE ops.audit_logs l SET resource_id = other.resource_id FROM ops.audit_logs other
         WHERE l.id IN (fifth, sixth) AND other.id IN (fifth, sixth) AND other.id <> l.id",
        &[(FaultKind::EntryChanged, 5), (FaultKind::EntryChanged, 6)],
    ),
    // Their links change places, with all that they say.
    (
        "ALTER TABLE ops.audit_chain DROP CONSTRAINT audit_chain_pkey;
         UPDATE ops.audit_chain c SET seq = other.seq FROM ops.audit_chain other
         WHERE c.audit_id IN (fifth, sixth) AND other.audit_id IN (fifth, sixth)
           AND other.audit_id <> c.audit_id",
        &[(FaultKind::LinkChanged, 6), (FaultKind::LinkChanged, 5), (FaultKind::LinkChanged, 7)],
    ),
    (
        "UPDATE ops.audit_chain SET created_at = created_at - interval '1 day'
         WHERE audit_id = fifth",
        &[(FaultKind::LinkChanged, 5)],
    ),
    // The next link does not follow on it any more.
    (
        "UPDATE ops.audit_chain SET hash = sha256('anything') WHERE audit_id = fifth",
        &[(FaultKind::LinkChanged, 5), (FaultKind::LinkChanged, 6)],
    ),
    // A link and its entry are cut out.
    (
        "DELETE FROM ops.audit_logs WHERE id = fifth;
         DELETE FROM ops.audit_chain WHERE audit_id = fifth",
        &[(FaultKind::LinkMissing, 6)],
    ),
];

#[tokio::test]
async fn whatever_the_owner_of_the_database_changes_is_named() {
    for (statement, expected) in TAMPERING {
        let db = linked(10).await;
        let mut connection = owner(&db).await;
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM ops.audit_logs WHERE resource_type = 'thing' ORDER BY resource_id",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let statement = statement
            .replace("fifth", &format!("'{}'", ids[4]))
            .replace("sixth", &format!("'{}'", ids[5]));
        sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut connection).await.unwrap();
        let found = verified(&db, Range::default()).await;
        let named: Vec<_> = found.faults.iter().map(|fault| (fault.kind, fault.entry)).collect();
        let wanted: Vec<_> = expected.iter().map(|(kind, n)| (*kind, Some(ids[n - 1]))).collect();
        assert_eq!(named, wanted, "{statement}");
        assert_eq!(found.broken, u64::try_from(wanted.len()).unwrap());
    }
}

#[tokio::test]
async fn an_entry_that_is_smuggled_in_is_named() {
    let db = linked(3).await;
    let mut connection = owner(&db).await;
    sqlx::raw_sql(
        "SET session_replication_role = replica;
         INSERT INTO ops.audit_logs (id, action, resource_type, resource_id)
         VALUES ('00000000-0000-0000-0000-0000000000aa', 'look', 'thing', NULL);
         RESET session_replication_role;
         DO $$ BEGIN EXECUTE format('INSERT INTO %s (id, action, resource_type)
             VALUES (''00000000-0000-0000-0000-0000000000bb'', ''look'', ''thing'')',
             (SELECT tableoid::regclass FROM ops.audit_logs LIMIT 1)); END $$;",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    audit::link_all(&db.db, &Clock::system()).await.unwrap();
    let found = verified(&db, Range::default()).await;
    let named: Vec<_> = found.faults.iter().map(|fault| (fault.kind, fault.entry)).collect();
    let inserted = |id| (FaultKind::EntryInserted, Some(Uuid::from_u128(id)));
    assert_eq!(named, [inserted(0xaa), inserted(0xbb)]);
}

#[tokio::test]
async fn an_anchor_shows_what_the_database_alone_cannot() {
    let db = linked(5).await;
    let anchor = verified(&db, Range::default()).await.state.head;
    let with = |anchor| Range { anchor: Some(anchor), ..Range::default() };
    assert_eq!(verified(&db, with(anchor)).await.broken, 0);
    let other = Anchor { seq: anchor.seq - 1, ..anchor };
    let found = verified(&db, with(other)).await;
    assert_eq!(kinds(&found.faults), [(FaultKind::AnchorDiffers, Some(other.seq))]);

    // The end is cut off, entries and links alike: what is left is consistent.
    let mut connection = owner(&db).await;
    sqlx::raw_sql(
        "WITH link AS (DELETE FROM ops.audit_chain
                       WHERE seq = (SELECT max(seq) FROM ops.audit_chain) RETURNING audit_id)
         DELETE FROM ops.audit_logs WHERE id IN (SELECT audit_id FROM link)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert_eq!(verified(&db, Range::default()).await.broken, 0);
    let found = verified(&db, with(anchor)).await;
    assert_eq!(kinds(&found.faults), [(FaultKind::AnchorDiffers, Some(anchor.seq))]);
}

#[tokio::test]
async fn a_forged_checkpoint_is_named() {
    let db = linked(5).await;
    let mut connection = owner(&db).await;
    sqlx::raw_sql(
        "INSERT INTO ops.audit_checkpoints (id, seq, hash, forgotten_before, created_at)
         SELECT gen_random_uuid(), seq, hash, now(), now() FROM ops.audit_chain
         ORDER BY seq DESC LIMIT 1;
         DELETE FROM ops.audit_logs; DELETE FROM ops.audit_chain;",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let found = verified(&db, Range::default()).await;
    let kinds: Vec<_> = found.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [FaultKind::CheckpointForged]);
}
