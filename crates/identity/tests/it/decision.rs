//! The decision on access, three times over: as plain Rust says it of a small made-up world, as
//! `app.can` says it, and as row-level security enforces it on rows that a person reads, changes
//! and deletes.

use std::collections::BTreeSet;

use lyceum_core::{Permission, PermissionSet};
use lyceum_testkit::TestDb;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

const LEVELS: [&str; 4] = ["view", "use", "edit", "own"];
const STATUSES: [&str; 4] = ["active", "inactive", "suspended", "deleted"];
/// Rights that people have in the made-up worlds; none, a person's, a manager's, everything.
const ROLES: [&[&str]; 4] =
    [&[], &["document:*", "provider:read"], &["organization_provider:manage", "*:read"], &["*:*"]];
const PEOPLE: usize = 4;
const GROUPS: usize = 3;
const OBJECTS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Person(usize),
    Group(usize),
}

#[derive(Clone, Debug)]
struct Base {
    owner: usize,
    organization: bool,
    deleted: bool,
}

#[derive(Clone, Debug)]
struct Provider {
    owner: Option<usize>,
    everyone: bool,
    active: bool,
    deleted: bool,
    kind_active: bool,
}

#[derive(Clone, Debug)]
struct Made {
    /// Status and role of each.
    people: Vec<(usize, usize)>,
    groups_deleted: Vec<bool>,
    members: BTreeSet<(usize, usize)>,
    bases: Vec<Base>,
    /// Base, to whom, and level.
    grants: Vec<(usize, To, usize)>,
    providers: Vec<Provider>,
    /// Provider, to whom, and whether it is active.
    distributions: Vec<(usize, To, bool)>,
}

fn to() -> impl Strategy<Value = To> {
    prop_oneof![(0..PEOPLE).prop_map(To::Person), (0..GROUPS).prop_map(To::Group)]
}

fn mostly(likely: bool) -> impl Strategy<Value = bool> {
    prop::bool::weighted(if likely { 0.75 } else { 0.25 })
}

fn made() -> impl Strategy<Value = Made> {
    let status = prop_oneof![3 => Just(0usize), 1 => 1..STATUSES.len()];
    let base = (0..PEOPLE, mostly(false), mostly(false))
        .prop_map(|(owner, organization, deleted)| Base { owner, organization, deleted });
    let provider = (
        prop::option::weighted(0.3, 0..PEOPLE),
        any::<bool>(),
        mostly(true),
        mostly(false),
        mostly(true),
    )
        .prop_map(|(owner, everyone, active, deleted, kind_active)| Provider {
            owner,
            everyone: everyone || owner.is_some(),
            active,
            deleted,
            kind_active,
        });
    (
        prop::collection::vec((status, 0..ROLES.len()), PEOPLE),
        prop::collection::vec(mostly(false), GROUPS),
        prop::collection::btree_set((0..GROUPS, 0..PEOPLE), 0..8),
        prop::collection::vec(base, OBJECTS),
        prop::collection::vec((0..OBJECTS, to(), 0..3usize), 0..8),
        prop::collection::vec(provider, OBJECTS),
        prop::collection::vec((0..OBJECTS, to(), mostly(true)), 0..8),
    )
        .prop_map(
            |(people, groups_deleted, members, bases, grants, providers, distributions)| {
                Made { people, groups_deleted, members, bases, grants, providers, distributions }
                    .without_repeats()
            },
        )
}

impl Made {
    /// One grant and one distribution for each pair, and none of what is personal.
    fn without_repeats(mut self) -> Self {
        let mut seen = Vec::new();
        self.grants.retain(|(base, to, _)| {
            let first = !seen.contains(&(*base, *to));
            seen.push((*base, *to));
            first
        });
        seen.clear();
        let personal: Vec<bool> = self.providers.iter().map(|p| p.owner.is_some()).collect();
        self.distributions.retain(|(provider, to, _)| {
            let first = !seen.contains(&(*provider, *to));
            seen.push((*provider, *to));
            first && !personal[*provider]
        });
        self
    }

    fn active(&self, person: usize) -> bool {
        self.people[person].0 == 0
    }

    fn may(&self, person: usize, resource: &str, action: &str) -> bool {
        self.active(person) && rights(self.people[person].1).allows(resource, action)
    }

    fn reaches(&self, person: usize, to: To) -> bool {
        match to {
            To::Person(other) => other == person,
            To::Group(group) => {
                !self.groups_deleted[group] && self.members.contains(&(group, person))
            }
        }
    }

    /// The level at which a person reaches a base, as an index into [`LEVELS`].
    fn base_level(&self, person: usize, base: usize) -> Option<usize> {
        let row = &self.bases[base];
        if !self.active(person) || row.deleted {
            return None;
        }
        let granted = self
            .grants
            .iter()
            .filter(|(of, to, _)| *of == base && self.reaches(person, *to))
            .map(|(_, _, level)| *level);
        let open = row.organization.then_some(1);
        let own = (row.owner == person).then_some(3);
        granted.chain(open).chain(own).max()
    }

    /// The same of a provider.
    fn provider_level(&self, person: usize, provider: usize) -> Option<usize> {
        let row = &self.providers[provider];
        if !self.active(person) || row.deleted || !row.active || !row.kind_active {
            return None;
        }
        let given = self
            .distributions
            .iter()
            .any(|(of, to, active)| *of == provider && *active && self.reaches(person, *to));
        match row.owner {
            Some(owner) => (owner == person).then_some(3),
            None => (given || row.everyone).then_some(1),
        }
    }

    /// Whether a person administers a provider, deactivated or not.
    fn manages(&self, person: usize, provider: usize) -> bool {
        match self.providers[provider].owner {
            Some(owner) => owner == person && self.active(person),
            None => self.may(person, "organization_provider", "manage"),
        }
    }
}

fn rights(role: usize) -> PermissionSet {
    PermissionSet::new(ROLES[role].iter().map(|text| text.parse::<Permission>().unwrap()))
}

fn id(kind: u128, index: usize) -> Uuid {
    Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 | kind << 32 | index as u128)
}

const PERSON: u128 = 1;
const GROUP: u128 = 2;
const BASE: u128 = 3;
const DOCUMENT: u128 = 4;
const PROVIDER: u128 = 5;
const MODEL: u128 = 6;
const ROLE: u128 = 7;
const SHARE: u128 = 8;

async fn run(connection: &mut PgConnection, sql: String) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await {
        panic!("{error}: {sql}");
    }
}

/// Writes the world; the caller rolls it back.
async fn write(connection: &mut PgConnection, made: &Made) {
    let mut sql = String::from(
        "INSERT INTO gateway.ai_providers
           (id, name, display_name, requires_api_key, config_schema, is_active)
         VALUES (app.new_id(), 'switched_on', 'On', false, '{}', true),
                (app.new_id(), 'switched_off', 'Off', false, '{}', false);",
    );
    for (index, patterns) in ROLES.iter().enumerate() {
        let patterns = serde_json::json!(patterns);
        let role = id(ROLE, index);
        sql += &format!(
            "INSERT INTO identity.roles (id, name, permissions)
             VALUES ('{role}', 'made_{index}', '{patterns}');"
        );
    }
    for (index, (status, role)) in made.people.iter().enumerate() {
        let person = id(PERSON, index);
        let (status, deleted) = match STATUSES[*status] {
            "deleted" => ("active", "now()"),
            status => (status, "NULL"),
        };
        let role = id(ROLE, *role);
        sql += &format!(
            "INSERT INTO identity.users (id, username, email, status, deleted_at)
             VALUES ('{person}', 'p{index}', 'p{index}@example.org', '{status}', {deleted});
             INSERT INTO identity.user_roles (user_id, role_id) VALUES ('{person}', '{role}');"
        );
    }
    for (index, deleted) in made.groups_deleted.iter().enumerate() {
        let deleted = if *deleted { "now()" } else { "NULL" };
        let group = id(GROUP, index);
        sql += &format!(
            "INSERT INTO identity.groups (id, name, deleted_at)
             VALUES ('{group}', 'g{index}', {deleted});"
        );
    }
    for (group, person) in &made.members {
        let (group, person) = (id(GROUP, *group), id(PERSON, *person));
        sql += &format!("INSERT INTO identity.group_members VALUES ('{group}', '{person}');");
    }
    run(connection, sql).await;
    write_objects(connection, made).await;
}

async fn write_objects(connection: &mut PgConnection, made: &Made) {
    let mut sql = String::new();
    for (index, base) in made.bases.iter().enumerate() {
        let (row, owner) = (id(BASE, index), id(PERSON, base.owner));
        let visibility = if base.organization { "organization" } else { "private" };
        let deleted = if base.deleted { "now()" } else { "NULL" };
        let (simple, document) = (row.simple(), id(DOCUMENT, index));
        sql += &format!(
            "INSERT INTO knowledge.knowledge_bases (id, owner_id, name, collection_name,
               embedding_model, vector_dimension, visibility, deleted_at)
             VALUES ('{row}', '{owner}', 'b{index}', 'kb_{simple}', 'm', 8, '{visibility}',
                     {deleted});
             INSERT INTO knowledge.documents (id, knowledge_base_id, title, filename, file_path,
               file_size, mime_type, content_hash)
             VALUES ('{document}', '{row}', 't', 'f', 'p', 1, 'text/plain', sha256('x'));"
        );
    }
    for (index, provider) in made.providers.iter().enumerate() {
        let (row, model) = (id(PROVIDER, index), id(MODEL, index));
        let owner =
            provider.owner.map_or("NULL".to_owned(), |owner| format!("'{}'", id(PERSON, owner)));
        let kind = if provider.kind_active { "switched_on" } else { "switched_off" };
        let scope = if provider.owner.is_some() { "personal" } else { "organization" };
        let audience = if provider.everyone { "everyone" } else { "selected" };
        let (active, deleted) = (provider.active, if provider.deleted { "now()" } else { "NULL" });
        sql += &format!(
            "INSERT INTO gateway.provider_configs (id, provider, scope, owner_id, name, base_url,
               audience, is_active, created_at, updated_at, deleted_at)
             VALUES ('{row}', '{kind}', '{scope}', {owner}, 'c{index}', 'http://x', '{audience}',
                     {active}, now(), now(), {deleted});
             INSERT INTO gateway.ai_model_configs (id, provider, provider_config_id, owner_id, name,
               model, kind, created_at, updated_at)
             VALUES ('{model}', '{kind}', '{row}', {owner}, 'm{index}', 'm', 'chat', now(), now());"
        );
    }
    let columns = |to: To| match to {
        To::Person(person) => format!("'{}', NULL", id(PERSON, person)),
        To::Group(group) => format!("NULL, '{}'", id(GROUP, group)),
    };
    for (index, (base, to, level)) in made.grants.iter().enumerate() {
        let (row, base, level, to) =
            (id(SHARE, index), id(BASE, *base), LEVELS[*level], columns(*to));
        sql += &format!(
            "INSERT INTO knowledge.knowledge_base_grants
               (id, knowledge_base_id, user_id, group_id, permission)
             VALUES ('{row}', '{base}', {to}, '{level}');"
        );
    }
    for (index, (provider, to, active)) in made.distributions.iter().enumerate() {
        let (row, provider, to) = (id(SHARE, index), id(PROVIDER, *provider), columns(*to));
        sql += &format!(
            "INSERT INTO gateway.provider_distributions (id, provider_config_id, user_id, group_id,
               is_active, created_at, updated_at)
             VALUES ('{row}', '{provider}', {to}, {active}, now(), now());"
        );
    }
    run(connection, sql).await;
}

/// The ids that a statement gives back; what it changed is taken back.
async fn ids(connection: &mut PgConnection, sql: &str) -> BTreeSet<Uuid> {
    run(connection, "SAVEPOINT attempt".to_owned()).await;
    let found = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut *connection).await;
    run(connection, "ROLLBACK TO attempt".to_owned()).await;
    match found {
        Ok(found) => found.into_iter().collect(),
        Err(error) => panic!("{error}: {sql}"),
    }
}

fn expected(kind: u128, holds: impl Fn(usize) -> bool) -> BTreeSet<Uuid> {
    (0..OBJECTS).filter(|index| holds(*index)).map(|index| id(kind, index)).collect()
}

/// Compares the decision function with the made-up world.
async fn compare_function(connection: &mut PgConnection, made: &Made) -> Result<(), TestCaseError> {
    for person in 0..PEOPLE {
        for object in 0..OBJECTS {
            for (kind, number, level) in [
                ("knowledge_base", BASE, made.base_level(person, object)),
                ("provider", PROVIDER, made.provider_level(person, object)),
            ] {
                for (rank, wanted) in LEVELS.iter().enumerate() {
                    let says: bool = sqlx::query_scalar("SELECT app.can($1, $2, $3, $4)")
                        .bind(id(PERSON, person))
                        .bind(wanted)
                        .bind(kind)
                        .bind(id(number, object))
                        .fetch_one(&mut *connection)
                        .await
                        .unwrap();
                    let should = level.is_some_and(|level| level >= rank);
                    prop_assert_eq!(says, should, "p{} {} {}{}", person, wanted, kind, object);
                }
            }
        }
        for (resource, action) in
            [("document", "write"), ("user", "read"), ("organization_provider", "manage")]
        {
            let says: bool = sqlx::query_scalar("SELECT app.person_may($1, $2, $3)")
                .bind(id(PERSON, person))
                .bind(resource)
                .bind(action)
                .fetch_one(&mut *connection)
                .await
                .unwrap();
            let should = made.may(person, resource, action);
            prop_assert_eq!(says, should, "p{} {}:{}", person, resource, action);
        }
    }
    Ok(())
}

/// Compares what one person reads, changes and deletes with the made-up world.
async fn compare_rows(
    connection: &mut PgConnection,
    made: &Made,
    person: usize,
) -> Result<(), TestCaseError> {
    let at_least = |level: usize| {
        move |base: usize| made.base_level(person, base).is_some_and(|found| found >= level)
    };
    // A deleted base stays its owner's to see, or deleting it would be refused.
    let owns = |base: usize| made.bases[base].owner == person && made.active(person);
    let uses = |provider: usize| made.provider_level(person, provider).is_some();
    let manages = |provider: usize| made.manages(person, provider);
    let cases = [
        ("SELECT id FROM knowledge.knowledge_bases", expected(BASE, |b| at_least(0)(b) || owns(b))),
        (
            "UPDATE knowledge.knowledge_bases SET description = 'x' RETURNING id",
            expected(BASE, owns),
        ),
        ("DELETE FROM knowledge.knowledge_bases RETURNING id", expected(BASE, owns)),
        ("SELECT unnest(knowledge.bases_for('use'))", expected(BASE, at_least(1))),
        ("SELECT id FROM knowledge.documents", expected(DOCUMENT, at_least(0))),
        (
            "UPDATE knowledge.documents SET title = 'x' RETURNING id",
            expected(DOCUMENT, at_least(2)),
        ),
        ("DELETE FROM knowledge.documents RETURNING id", expected(DOCUMENT, at_least(2))),
        (
            "UPDATE knowledge.knowledge_base_grants SET permission = 'view'
             RETURNING knowledge_base_id",
            expected(BASE, |b| at_least(2)(b) && made.grants.iter().any(|(of, ..)| *of == b)),
        ),
        ("SELECT id FROM gateway.provider_configs", expected(PROVIDER, |p| uses(p) || manages(p))),
        (
            "UPDATE gateway.provider_configs SET base_url = 'http://y' RETURNING id",
            expected(PROVIDER, manages),
        ),
        ("DELETE FROM gateway.provider_configs RETURNING id", expected(PROVIDER, manages)),
        ("SELECT DISTINCT id FROM gateway.user_available_providers", expected(PROVIDER, uses)),
        (
            "SELECT id FROM gateway.ai_model_configs WHERE provider_config_id IS NOT NULL",
            expected(MODEL, |p| uses(p) || manages(p)),
        ),
        (
            "UPDATE gateway.ai_model_configs SET model = 'x' WHERE provider_config_id IS NOT NULL
             RETURNING id",
            expected(MODEL, manages),
        ),
    ];
    for (sql, should) in cases {
        prop_assert_eq!(ids(connection, sql).await, should, "p{}: {}", person, sql);
    }
    Ok(())
}

async fn compare(test: &TestDb, made: &Made) -> Result<(), TestCaseError> {
    let mut tx = test.db.begin_maintenance().await.unwrap();
    write(&mut tx, made).await;
    compare_function(&mut tx, made).await?;
    run(&mut tx, "SELECT set_config('role', 'lyceum_app', true)".to_owned()).await;
    for person in 0..PEOPLE {
        let acting = id(PERSON, person);
        run(&mut tx, format!("SELECT set_config('app.current_user_id', '{acting}', true)")).await;
        compare_rows(&mut tx, made, person).await?;
    }
    tx.rollback().await.unwrap();
    Ok(())
}

#[test]
fn row_level_security_enforces_what_the_decision_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(TestDb::new());
    let config = Config {
        cases: 128,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome =
        TestRunner::new(config).run(&made(), |made| runtime.block_on(compare(&test, &made)));
    // Dropped where its connections live.
    runtime.block_on(async { drop(test) });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
