//! The connection strings and the cluster behind them.

use std::{collections::BTreeSet, time::Duration};

use local::template::TIERS;
use mongodb::{
    Client, Database,
    bson::{Document, doc},
    error::{Error, ErrorKind},
    options::{ClientOptions, ServerAddress, Tls},
};

use super::{
    users::{Granted, MONITOR, ONLY, READER, User, WRITER},
    wanted::{ConnectionStrings, Tier, Users},
};
use crate::table::{Finding, Table, Trouble, fault, skipped};

/// A cluster that does not answer within it, does not.
const PATIENCE: Duration = Duration::from_secs(10);
/// Transactions, and what indexes are built with, are tried on these and later ones; older ones get no mending.
const OLDEST: u32 = 7;
/// Clients that are opened at each other node, to see whether the primary's limit counts them. Each holds two sockets.
const CLIENTS: usize = 4;

/// Adds a row for each question, and tells the tier: the given one, else what the limit of connections tells.
pub(super) async fn check(
    table: &mut Table,
    strings: &ConnectionStrings,
    users: Users,
    given: Option<Tier>,
    database: &str,
) -> Tier {
    let main = if users == Users::One { &ONLY } else { &WRITER };
    let signed_in = open(table, strings.main.as_deref()).await;
    if let Some((client, _)) = &signed_in {
        table.add("MongoDB: roles", roles(client, main, database).await);
    }
    // Who may ask for the figures of the cluster.
    let watcher = match users {
        Users::One => signed_in,
        Users::Three => {
            let hosts = signed_in.as_ref().map(|(_, options)| hosts(options));
            close(signed_in).await;
            let (hosts, uri) = (hosts.as_ref(), strings.reader.as_deref());
            close(further(table, "MongoDB: reader", &READER, uri, hosts, database).await).await;
            further(table, "MongoDB: monitor", &MONITOR, strings.monitor.as_deref(), hosts, database).await
        }
    };
    let mut tier = given.unwrap_or(Tier::M0);
    if let Some((client, options)) = &watcher {
        match limit(client).await {
            Ok(_) if is_local(options) => {
                table.add("MongoDB: tier", Err(skipped("a server on this machine has no tier")));
            }
            Ok(limit) => {
                tier = given.unwrap_or_else(|| of_limit(limit));
                table.add("MongoDB: tier", tier_told(limit, given));
            }
            Err(trouble) => table.add("MongoDB: tier", Err(trouble)),
        }
        table.add("MongoDB: how the limit counts", reading(client, options).await);
    }
    close(watcher).await;
    tier
}

fn hosts(options: &ClientOptions) -> BTreeSet<String> {
    options.hosts.iter().map(ToString::to_string).collect()
}

/// A client, and what it was made of.
type SignedIn = (Client, ClientOptions);

async fn close(signed_in: Option<SignedIn>) {
    if let Some((client, _)) = signed_in {
        client.shutdown().await;
    }
}

/// The client of the string that every function, or of three users those that write, sign in with; rows for what it is.
async fn open(table: &mut Table, uri: Option<&str>) -> Option<SignedIn> {
    let (options, text) = match string(uri, &ONLY).await {
        Ok(string) => string,
        Err(trouble) => {
            table.add("MongoDB: connection string", Err(trouble));
            return None;
        }
    };
    table.add("MongoDB: connection string", Ok(text));
    let client = Client::with_options(options.clone()).ok()?;
    let cluster = cluster(&client).await;
    let is_there = cluster.is_ok();
    table.add("MongoDB: cluster", cluster);
    let signed_in = Some((client, options));
    if is_there {
        return signed_in;
    }
    close(signed_in).await;
    None
}

/// The client of a further user's string, if that is right; one row for all that it is.
/// `main` is where the first user's string leads, if it was tried.
async fn further(
    table: &mut Table,
    row: &str,
    user: &User,
    uri: Option<&str>,
    main: Option<&BTreeSet<String>>,
    database: &str,
) -> Option<SignedIn> {
    let same_cluster = |options: ClientOptions| match main {
        Some(main) if *main != hosts(&options) => Err(fault(
            "it leads to another cluster than MONGODB_URI",
            "take that string, with this user's name and password",
        )),
        _ => Ok(options),
    };
    let options = match string(uri, user).await.and_then(|(options, _)| same_cluster(options)) {
        Ok(options) => options,
        Err(trouble) => {
            table.add(row, Err(trouble));
            return None;
        }
    };
    let client = Client::with_options(options.clone()).ok()?;
    let found = roles(&client, user, database).await;
    let is_wrong = matches!(found, Err(Trouble::Fault { .. }));
    table.add(row, found);
    let signed_in = Some((client, options));
    if !is_wrong {
        return signed_in;
    }
    close(signed_in).await;
    None
}

/// What a connection string names, and how safe the way there is. Nobody signs in where others can read along.
async fn string(uri: Option<&str>, user: &User) -> Result<(ClientOptions, String), Trouble> {
    let options = parsed(uri, user.variable).await?;
    let text = encrypted(&options)?;
    Ok((options, text))
}

/// The driver's own words may hold the password: none of them are repeated.
async fn parsed(uri: Option<&str>, variable: &str) -> Result<ClientOptions, Trouble> {
    let Some(uri) = uri else {
        return Err(skipped(format!("set {variable} for this command to have it tried")));
    };
    let remedy =
        "as Atlas shows it under Connect, Drivers; in the password, @ : / ? # [ ] % are written as %40 and so on";
    if uri.to_lowercase().contains("sockettimeoutms") {
        return Err(fault("it has socketTimeoutMS, which the driver does not know", "leave that out"));
    }
    let mut options = ClientOptions::parse(uri).await.map_err(|error| match *error.kind {
        ErrorKind::DnsResolve { .. } => fault(
            "its host is not known",
            "is it copied in full, and does this machine's name server answer SRV queries?",
        ),
        _ => fault("it cannot be read", remedy),
    })?;
    options.server_selection_timeout = Some(PATIENCE);
    options.connect_timeout = Some(PATIENCE);
    options.app_name = Some("preflight".into());
    Ok(options)
}

fn is_local(options: &ClientOptions) -> bool {
    let is_local = |host: &ServerAddress| matches!(host, ServerAddress::Tcp { host, .. } if host == "127.0.0.1" || host == "localhost");
    options.hosts.iter().all(is_local)
}

fn encrypted(options: &ClientOptions) -> Finding {
    let insecure = matches!(&options.tls, Some(Tls::Enabled(tls)) if tls.allow_invalid_certificates == Some(true));
    match &options.tls {
        Some(Tls::Enabled(_)) if !insecure => Ok(format!("{} nodes, with TLS", options.hosts.len())),
        _ if is_local(options) => Ok("a server on this machine, without TLS".into()),
        Some(Tls::Enabled(_)) => {
            Err(fault("any certificate would do", "leave tlsAllowInvalidCertificates and tlsInsecure out"))
        }
        _ => Err(fault("no TLS: passwords and data would travel in the open", "use mongodb+srv://, or add tls=true")),
    }
}

async fn cluster(client: &Client) -> Finding {
    let info = ask(client, doc! {"buildInfo": 1}).await.map_err(|error| away(&error))?;
    let version = info.get_str("version").unwrap_or("0");
    let major: u32 = version.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    if major < OLDEST {
        return Err(fault(format!("MongoDB {version}"), format!("upgrade the cluster to {OLDEST}.0 or later")));
    }
    Ok(format!("MongoDB {version} answers"))
}

fn away(error: &Error) -> Trouble {
    match *error.kind {
        ErrorKind::Authentication { .. } => fault(
            "it refuses the user or the password",
            "Atlas, Database Access: is there this user? Edit it for a new password; it takes a minute to count",
        ),
        ErrorKind::ServerSelection { .. } => fault(
            format!("no node answered within {} s", PATIENCE.as_secs()),
            "Atlas: is the cluster paused? Network Access: allow access from anywhere (0.0.0.0/0), as Lambda has no address of its own",
        ),
        _ => fault("it does not answer as MongoDB does", "is this the connection string of a cluster?"),
    }
}

async fn roles(client: &Client, user: &User, database: &str) -> Finding {
    let question = doc! {"connectionStatus": 1, "showPrivileges": true};
    let status = ask(client, question).await.map_err(|error| away(&error))?;
    user.suffices(&Granted::read(&status), database)
}

/// Connections that the primary takes in all.
async fn limit(client: &Client) -> Result<u64, Trouble> {
    let counts = counts(client).await?;
    Ok(counts.0 + counts.1)
}

/// Connections of the primary: there now, and left.
async fn counts(client: &Client) -> Result<(u64, u64), Trouble> {
    let status =
        ask(client, doc! {"serverStatus": 1}).await.map_err(|_| skipped("the user may not ask for serverStatus"))?;
    let connections =
        status.get_document("connections").map_err(|_| skipped("the server does not tell its connections"))?;
    let number = |name: &str| {
        let value = connections.get(name)?;
        value.as_i64().or(value.as_i32().map(i64::from)).and_then(|number| u64::try_from(number).ok())
    };
    number("current").zip(number("available")).ok_or_else(|| skipped("the server does not tell how many are left"))
}

async fn ask(client: &Client, command: Document) -> Result<Document, Error> {
    let database: Database = client.database("admin");
    database.run_command(command).await
}

/// Limits of Atlas: M0 and Flex have the same.
fn of_limit(limit: u64) -> Tier {
    if limit >= limit_of(Tier::M10) { Tier::M10 } else { Tier::M0 }
}

fn limit_of(tier: Tier) -> u64 {
    let name = tier.name();
    TIERS.iter().find(|(known, _)| *known == name).map_or(0, |(_, limit)| *limit)
}

fn tier_told(limit: u64, given: Option<Tier>) -> Finding {
    if limit < limit_of(Tier::M0) {
        return Err(fault(
            format!("it takes {limit} connections, fewer than any tier of Atlas"),
            "the caps would be too high for it",
        ));
    }
    match given {
        Some(tier) if limit < limit_of(tier) => Err(fault(
            format!("it takes {limit} connections, and {} has {}", tier.name(), limit_of(tier)),
            "name the tier that the cluster has, with --tier",
        )),
        Some(tier) => Ok(format!("{limit} connections: enough for {}", tier.name())),
        None if of_limit(limit) == Tier::M0 => {
            Ok(format!("{limit} connections: M0, or Flex, which looks alike: say --tier Flex if it is that"))
        }
        None => Ok(format!("{limit} connections: M10 or larger")),
    }
}

/// Sockets to the other nodes leave the primary's limit alone, or they do not.
async fn reading(client: &Client, options: &ClientOptions) -> Finding {
    let hello = ask(client, doc! {"hello": 1}).await.map_err(|error| away(&error))?;
    let primary = hello.get_str("primary").unwrap_or_default();
    let others: Vec<_> = options.hosts.iter().filter(|host| host.to_string() != primary).cloned().collect();
    if options.hosts.len() < 2 || others.len() == options.hosts.len() {
        return Err(skipped("a single server, or nodes that go by other names: nothing to compare"));
    }
    let before = counts(client).await?;
    let mut opened = Vec::new();
    for host in &others {
        for _ in 0..CLIENTS {
            let mut options = options.clone();
            (options.hosts, options.direct_connection) = (vec![host.clone()], Some(true));
            let Ok(client) = Client::with_options(options) else { continue };
            if ask(&client, doc! {"ping": 1}).await.is_ok() {
                opened.push(client);
            }
        }
    }
    let after = counts(client).await?;
    let number = opened.len();
    for client in opened {
        client.shutdown().await;
    }
    if number == 0 {
        return Err(skipped("the other nodes do not answer"));
    }
    Ok(read(before.1.saturating_sub(after.1), 2 * number as u64))
}

/// `gone`: by how much the primary's rest shrank, while `opened` sockets were made to other nodes.
fn read(gone: u64, opened: u64) -> String {
    if 2 * gone >= opened {
        format!(
            "all nodes together: {opened} sockets to others took {gone} from the primary's rest. See infra/README.md, which connection limit is meant"
        )
    } else {
        format!("per node, as the caps assume: {opened} sockets to others took {gone} from the primary's rest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tier_follows_from_the_limit() {
        assert_eq!((of_limit(500), of_limit(1500), of_limit(3000)), (Tier::M0, Tier::M10, Tier::M10));
        assert!(tier_told(500, None).is_ok_and(|text| text.contains("Flex")));
        assert!(tier_told(500, Some(Tier::M10)).is_err());
        assert!(tier_told(100, None).is_err());
        assert!(tier_told(500, Some(Tier::Flex)).is_ok());
    }

    #[test]
    fn sockets_to_other_nodes_tell_how_the_limit_counts() {
        assert!(read(1, 16).starts_with("per node"));
        assert!(read(17, 16).starts_with("all nodes together"));
    }
}
