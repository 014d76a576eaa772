//! As whom functions sign in to the database: which roles each user needs, and which it must not have.

use mongodb::bson::{Bson, Document};

use crate::table::{Finding, fault, skipped};

/// Roles that may read and write, on the database or on all.
const WRITERS: [&str; 5] = ["readWrite", "dbOwner", "readWriteAnyDatabase", "atlasAdmin", "root"];
/// Roles that may read.
const READERS: [&str; 7] =
    ["read", "readAnyDatabase", "readWrite", "dbOwner", "readWriteAnyDatabase", "atlasAdmin", "root"];
/// Roles that may ask how many connections there are.
const WATCHERS: [&str; 4] = ["clusterMonitor", "clusterAdmin", "atlasAdmin", "root"];
/// Roles that are given on `admin`, and count for every database or for the cluster.
const EVERYWHERE: [&str; 6] =
    ["readAnyDatabase", "readWriteAnyDatabase", "clusterMonitor", "clusterAdmin", "atlasAdmin", "root"];
/// What changes documents or collections, as privileges name it: a role that somebody made may have any name.
const CHANGES: [&str; 10] = [
    "anyAction",
    "insert",
    "update",
    "remove",
    "createCollection",
    "createIndex",
    "dropCollection",
    "dropIndex",
    "collMod",
    "dropDatabase",
];

/// A role, and the roles that hold all of it.
struct Need {
    role: &'static str,
    held_by: &'static [&'static str],
    /// Whether it is of the database, and not of the cluster.
    is_of_database: bool,
}

const WRITE: Need = Need { role: "readWrite", held_by: &WRITERS, is_of_database: true };
const READ: Need = Need { role: "read", held_by: &READERS, is_of_database: true };
const WATCH: Need = Need { role: "clusterMonitor", held_by: &WATCHERS, is_of_database: false };

/// A user of the database.
pub(super) struct User {
    /// The secret with its connection string.
    pub(super) secret: &'static str,
    /// The variable that the string is given in.
    pub(super) variable: &'static str,
    needs: &'static [Need],
    /// Roles that are more than it needs.
    more: &'static [&'static str],
    may_write: bool,
}

/// The only one.
pub(super) const ONLY: User = User {
    secret: "mongodb-uri",
    variable: "MONGODB_URI",
    needs: &[WRITE, WATCH],
    more: &["atlasAdmin", "root", "readWriteAnyDatabase"],
    may_write: true,
};
/// Of three, the one of the functions that write.
pub(super) const WRITER: User = User {
    needs: &[WRITE],
    more: &["atlasAdmin", "root", "readWriteAnyDatabase", "clusterMonitor", "clusterAdmin"],
    ..ONLY
};
/// Of three, the one of the functions that only read.
pub(super) const READER: User = User {
    secret: "mongodb-reader-uri",
    variable: "MONGODB_READER_URI",
    needs: &[READ],
    more: &["readAnyDatabase", "clusterMonitor", "clusterAdmin"],
    may_write: false,
};
/// Of three, the one of `monitor-connections`: that reads the sizes of collections, too, and how the day's events stand.
pub(super) const MONITOR: User = User {
    secret: "mongodb-monitor-uri",
    variable: "MONGODB_MONITOR_URI",
    needs: &[WATCH, READ],
    more: &["readAnyDatabase", "clusterAdmin"],
    may_write: false,
};

/// What a user may do, as `connectionStatus` tells it.
pub(super) struct Granted {
    /// Each with the database that it is on.
    roles: Vec<(String, String)>,
    /// Databases in which it may change something; an empty name is every one.
    changes: Vec<String>,
}

impl Granted {
    /// Of a server that tells no privileges, the roles alone count.
    pub(super) fn read(status: &Document) -> Self {
        let listed = |name: &str| {
            let listed = status.get_document("authInfo").and_then(|info| info.get_array(name));
            listed.into_iter().flatten().filter_map(Bson::as_document).collect::<Vec<_>>()
        };
        let text = |document: &Document, field: &str| document.get_str(field).unwrap_or_default().to_owned();
        let roles = listed("authenticatedUserRoles").into_iter();
        let privileges = listed("authenticatedUserPrivileges").into_iter();
        let changes = privileges.filter(|privilege| {
            let actions = privilege.get_array("actions").into_iter().flatten();
            actions.filter_map(Bson::as_str).any(|action| CHANGES.contains(&action))
        });
        let resources = changes.filter_map(|privilege| privilege.get_document("resource").ok());
        Self {
            roles: roles.map(|role| (text(role, "role"), text(role, "db"))).collect(),
            changes: resources
                .filter(|resource| !resource.contains_key("cluster"))
                .map(|resource| text(resource, "db"))
                .collect(),
        }
    }

    fn has(&self, names: &[&str], database: &str) -> bool {
        let is_on = |role: &str, on: &str| on == database || (on == "admin" && EVERYWHERE.contains(&role));
        self.roles.iter().any(|(role, on)| names.contains(&role.as_str()) && is_on(role, on))
    }

    fn may_write(&self, database: &str) -> bool {
        self.has(&WRITERS, database) || self.changes.iter().any(|name| name.is_empty() || name == database)
    }
}

impl User {
    /// Whether it may do what its functions do, and, of those that only read, nothing else.
    pub(super) fn suffices(&self, granted: &Granted, database: &str) -> Finding {
        if granted.roles.is_empty() && granted.changes.is_empty() {
            return Err(skipped("the server tells of none: nobody signs in there"));
        }
        let missing: Vec<_> = self.needs.iter().filter(|need| !granted.has(need.held_by, database)).collect();
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(|need| need.on(database)).collect();
            let is_blind = missing.iter().any(|need| !need.is_of_database);
            let note = if is_blind { "; without clusterMonitor no alarm knows of connections" } else { "" };
            let remedy = format!("Atlas, Database Access: edit the user, Specific Privileges{note}");
            return Err(fault(format!("the user lacks {}", names.join(" and ")), remedy));
        }
        let roles = self.needs.iter().map(|need| need.role).collect::<Vec<_>>().join(" and ");
        if !self.may_write && granted.may_write(database) {
            let remedy = format!(
                "Atlas, Database Access: a user of its own for {}, with {roles} alone among its Specific Privileges",
                self.secret
            );
            return Err(fault(format!("the user may write to {database}, and its functions only read"), remedy));
        }
        let more = granted.roles.iter().any(|(role, _)| self.more.contains(&role.as_str()));
        let verb = if self.needs.len() > 1 { "do" } else { "does" };
        let note = if more { format!("; it may more than it needs: {roles} {verb}") } else { String::new() };
        Ok(format!("{roles}{note}"))
    }
}

impl Need {
    fn on(&self, database: &str) -> String {
        if self.is_of_database { format!("{} on {database}", self.role) } else { self.role.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;
    use crate::table::Trouble;

    fn granted(roles: &[(&str, &str)]) -> Granted {
        let roles = roles.iter().map(|(role, on)| ((*role).to_owned(), (*on).to_owned()));
        Granted { roles: roles.collect(), changes: Vec::new() }
    }

    fn fault_of(user: &User, granted: &Granted) -> String {
        match user.suffices(granted, "promptlib") {
            Err(Trouble::Fault { found, .. }) => found,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_missing_role_is_named() {
        let found = fault_of(&ONLY, &granted(&[("readWrite", "promptlib")]));
        assert!(found.ends_with("lacks clusterMonitor"), "{found}");
        let found = fault_of(&ONLY, &granted(&[("readWrite", "other"), ("clusterMonitor", "admin")]));
        assert!(found.ends_with("lacks readWrite on promptlib"), "{found}");
        let found = fault_of(&MONITOR, &granted(&[("clusterMonitor", "admin")]));
        assert!(found.ends_with("lacks read on promptlib"), "{found}");
        let suffices = |user: &User, roles: &[(&str, &str)]| user.suffices(&granted(roles), "promptlib");
        let both = [("readWrite", "promptlib"), ("clusterMonitor", "admin")];
        assert_eq!(suffices(&ONLY, &both), Ok("readWrite and clusterMonitor".into()));
        assert!(suffices(&ONLY, &[("atlasAdmin", "admin")]).is_ok_and(|text| text.contains("more than it needs")));
        assert_eq!(suffices(&WRITER, &both[..1]), Ok("readWrite".into()));
        assert!(suffices(&WRITER, &both).is_ok_and(|text| text.ends_with("more than it needs: readWrite does")));
        assert_eq!(suffices(&READER, &[("read", "promptlib")]), Ok("read".into()));
        let monitor = [("clusterMonitor", "admin"), ("read", "promptlib")];
        assert_eq!(suffices(&MONITOR, &monitor), Ok("clusterMonitor and read".into()));
        assert!(matches!(suffices(&ONLY, &[]), Err(Trouble::Skipped(_))));
    }

    #[test]
    fn who_only_reads_must_not_be_able_to_write() {
        for role in WRITERS {
            for user in [&READER, &MONITOR] {
                let on = if EVERYWHERE.contains(&role) { "admin" } else { "promptlib" };
                let roles = [("read", "promptlib"), ("clusterMonitor", "admin"), (role, on)];
                let found = fault_of(user, &granted(&roles));
                assert!(found.starts_with("the user may write to promptlib"), "{role}: {found}");
            }
        }
        for other in ["other", "admin"] {
            let elsewhere = granted(&[("read", "promptlib"), ("readWrite", other)]);
            assert!(READER.suffices(&elsewhere, "promptlib").is_ok(), "{other}");
            let found = fault_of(&READER, &granted(&[("read", other)]));
            assert!(found.starts_with("the user lacks read on promptlib"), "{other}: {found}");
        }
    }

    #[test]
    fn a_role_that_somebody_made_is_judged_by_its_privileges() {
        let status = |resource: Document, action: &str| {
            doc! {"authInfo": {
                "authenticatedUserRoles": [{"role": "read", "db": "promptlib"}, {"role": "ours", "db": "admin"}],
                "authenticatedUserPrivileges": [
                    {"resource": {"db": "promptlib", "collection": ""}, "actions": ["find", "collStats"]},
                    {"resource": resource, "actions": ["find", action]},
                ],
            }}
        };
        let found = |resource, action| fault_of(&READER, &Granted::read(&status(resource, action)));
        for resource in [
            doc! {"db": "promptlib", "collection": "users"},
            doc! {"db": "", "collection": ""},
            doc! {"anyResource": true},
        ] {
            let found = found(resource.clone(), "update");
            assert!(found.starts_with("the user may write to promptlib"), "{resource}: {found}");
        }
        for (resource, action) in [
            (doc! {"db": "other", "collection": ""}, "update"),
            (doc! {"cluster": true}, "insert"),
            (doc! {"db": "promptlib", "collection": ""}, "dbStats"),
        ] {
            assert!(found(resource.clone(), action).starts_with("Ok"), "{resource} {action}");
        }
    }
}
