//! A report as it comes, as stored, and as it is shown.

use bson::{Document, RawDocumentBuf, doc};
use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use garde::Validate;
use jiff::SignedDuration;
use mongodb::{ClientSession, Collection, Database};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::PageUrl;
use crate::{
    auth::Principal,
    clock::{self, Moment},
    http::{Created, Cursor, Page, Problem},
    id,
    ledger::{Ledger, Payer},
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    roles::Role,
    schema,
    text::{line, plain},
    users::Account,
};

/// Reports that one account may have open: M0 holds 512 MB for everybody.
pub const LIMIT: u64 = 100;

/// How long the same words on the same page are the same report: whoever presses twice means one.
const SAME_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Reports of people who were not signed in that may be open.
const ANONYMOUS_LIMIT: u64 = 500;

/// Whose a report is that came without signing in: for super admins to look at.
const ANONYMOUS: &str = "anonymous";

/// Something that went wrong.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "intent": "Copy a prompt", "description": "The button does nothing when pressed twice.",
    "pageUrl": "https://app.example.com/prompts/1"
}))]
pub struct NewReport {
    /// What somebody wanted to do, in up to 200 characters.
    #[garde(length(chars, min = 1, max = 200), custom(line))]
    #[schema(min_length = 1, max_length = 200)]
    intent: String,
    /// What happened instead: 10 to 5,000 characters.
    #[garde(length(chars, min = 10, max = 5000), custom(plain))]
    #[schema(min_length = 10, max_length = 5000)]
    description: String,
    /// On which page. Secrets in the address are left out.
    #[garde(skip)]
    #[schema(value_type = String, format = "uri")]
    page_url: PageUrl,
    /// CSS selector of the element.
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    selector: Option<String>,
    /// Its text.
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    element_text: Option<String>,
    /// Its size: width and height, or `120x40px`.
    #[garde(dive)]
    element_size: Option<ElementSize>,
    /// The browser.
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    user_agent: Option<String>,
    /// When it was seen. Not kept: a report is of when it came.
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    timestamp: Option<String>,
}

/// In CSS pixels.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(try_from = "SentSize")]
pub struct ElementSize {
    /// Width.
    #[garde(range(min = 0.0, max = 100_000.0))]
    #[schema(minimum = 0.0, maximum = 100_000.0)]
    width: f64,
    /// Height.
    #[garde(range(min = 0.0, max = 100_000.0))]
    #[schema(minimum = 0.0, maximum = 100_000.0)]
    height: f64,
}

/// A size as the browser's extension writes it, or by its two sides.
#[derive(Deserialize)]
#[serde(untagged)]
enum SentSize {
    Sides(Sides),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sides {
    width: f64,
    height: f64,
}

impl TryFrom<SentSize> for ElementSize {
    type Error = &'static str;

    fn try_from(sent: SentSize) -> Result<Self, Self::Error> {
        let text = match sent {
            SentSize::Sides(Sides { width, height }) => return Ok(Self { width, height }),
            SentSize::Text(text) => text,
        };
        let side = |text: &str| text.trim().trim_end_matches("px").trim().parse().ok();
        let sides = text.split_once(['x', '×']).and_then(|(width, height)| Some((side(width)?, side(height)?)));
        let (width, height) = sides.ok_or("must be a width and a height, or such as 120x40px")?;
        Ok(Self { width, height })
    }
}

/// How a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BugReportStatus)]
pub enum ReportStatus {
    /// Nobody looked at it yet.
    New,
    /// Somebody did, and it is to be worked on.
    Triaged,
    /// It is mended.
    Resolved,
    /// It will not be.
    Rejected,
}

impl ReportStatus {
    /// As the store names it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Triaged => "triaged",
            Self::Resolved => "resolved",
            Self::Rejected => "rejected",
        }
    }
}

/// `bug_reports`.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BugReport {
    #[serde(rename = "_id")]
    id: String,
    user_id: String,
    organization_id: Option<String>,
    intent: String,
    description: String,
    page_url: String,
    selector: Option<String>,
    element_text: Option<String>,
    element_size: Option<ElementSize>,
    user_agent: Option<String>,
    pub(super) status: ReportStatus,
    history: Vec<HistoryEntry>,
    created_at: Moment,
    updated_at: Moment,
}

/// A report that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reported {
    /// Always true.
    success: bool,
    /// The report.
    #[serde(flatten)]
    report: ReportView,
}

impl From<ReportView> for Reported {
    fn from(report: ReportView) -> Self {
        Self { success: true, report }
    }
}

/// A report.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportView {
    /// Id.
    pub id: String,
    /// Whose; `anonymous` where nobody was signed in.
    pub user_id: String,
    /// What was wanted.
    pub intent: String,
    /// What happened.
    pub description: String,
    /// On which page.
    pub page_url: String,
    /// CSS selector of the element.
    pub selector: Option<String>,
    /// Its text.
    pub element_text: Option<String>,
    /// Its size.
    pub element_size: Option<ElementSize>,
    /// The browser.
    pub user_agent: Option<String>,
    /// How it stands.
    pub status: ReportStatus,
    /// How it came there, the first step first.
    pub history: Vec<HistoryEntry>,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// A step of a report.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// To which state.
    pub status: ReportStatus,
    /// Whose step.
    pub by: String,
    /// What they noted.
    pub note: Option<String>,
    /// When.
    pub at: Moment,
}

/// A page of reports.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportPage {
    /// The newest first.
    pub reports: Vec<ReportView>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// Which reports.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportFilter {
    /// `new`, `triaged`, `resolved` or `rejected`.
    pub status: Option<ReportStatus>,
    /// Not only one's own, but all that one may triage. For organisation admins.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    pub all: bool,
}

impl From<BugReport> for ReportView {
    fn from(report: BugReport) -> Self {
        Self {
            id: report.id,
            user_id: report.user_id,
            intent: report.intent,
            description: report.description,
            page_url: report.page_url,
            selector: report.selector,
            element_text: report.element_text,
            element_size: report.element_size,
            user_agent: report.user_agent,
            status: report.status,
            history: report.history,
            created_at: report.created_at,
            updated_at: report.updated_at,
        }
    }
}

/// Keeps a report, once however often it is sent within a day: of `account`, or of somebody from `network`.
pub async fn create(
    ledger: &Ledger,
    account: Option<&Account>,
    network: String,
    new: NewReport,
) -> Result<Created<Reported>, Problem> {
    let (user_id, limit) = account.map_or((ANONYMOUS, ANONYMOUS_LIMIT), |account| (account.id.as_str(), LIMIT));
    let payer = account.map_or(Payer::AnonymousReport { network }, Account::payer);
    let now = clock::now();
    let report = BugReport {
        id: id::new(),
        user_id: user_id.to_owned(),
        organization_id: account.and_then(|account| account.organization_id.clone()),
        intent: new.intent,
        description: new.description,
        page_url: new.page_url.as_str().to_owned(),
        selector: new.selector,
        element_text: new.element_text,
        element_size: new.element_size,
        user_agent: new.user_agent,
        status: ReportStatus::New,
        history: vec![HistoryEntry { status: ReportStatus::New, by: user_id.to_owned(), note: None, at: now }],
        created_at: now,
        updated_at: now,
    };
    let same = doc! {
        "userId": &report.user_id, "pageUrl": &report.page_url, "description": &report.description,
        "createdAt": {"$gt": now - SAME_FOR},
    };
    let too_many =
        || Problem::conflict("too_many_reports", format!("{limit} such reports are open: give us time for them."));
    let document = mongo::to_document(&report).map_err(Problem::internal)?;
    let insert = insert(ledger.mongo().clone(), report, same, limit);
    let is_new = |made: &Option<Created<Reported>>| matches!(made, Some(Created::New(_)));
    let made = ledger.pay(&payer, schema::weight("bug_reports", &document), insert, is_new).await?;
    made.ok_or_else(too_many)
}

/// `None` when `limit` reports of the same reporter are open. Boxed: the driver's futures are large.
fn insert(
    mongo: Mongo,
    report: BugReport,
    same: Document,
    limit: u64,
) -> BoxFuture<'static, Result<Option<Created<Reported>>, mongo::Error>> {
    let insert = async move |database: Database| {
        let mut session = database.client().start_session().await?;
        let work = async move |session: &mut ClientSession| {
            // Two reports of one account at once both write it: one of them starts over, and finds the other.
            let users = database.collection::<Document>("users");
            let touch = doc! {"$inc": {"bugReports": 1}};
            users.update_one(doc! {"_id": &report.user_id}, touch).session(&mut *session).await?;
            let reports = collection(&database);
            if let Some(before) = reports.find_one(same.clone()).session(&mut *session).await? {
                // Of whoever is not signed in it may be somebody else's: they are told what they sent, and its id.
                let told = if report.user_id == ANONYMOUS {
                    BugReport { id: before.id, status: before.status, ..report.clone() }
                } else {
                    before
                };
                return Ok(Some(Created::Known(ReportView::from(told).into())));
            }
            let open = doc! {"userId": &report.user_id, "status": {"$in": ["new", "triaged"]}};
            if reports.count_documents(open).session(&mut *session).await? >= limit {
                return Ok(None);
            }
            reports.insert_one(&report).session(&mut *session).await?;
            Ok(Some(Created::New(ReportView::from(report.clone()).into())))
        };
        session.start_transaction().and_run2(work).await
    };
    async move { mongo.run(REQUEST_TIMEOUT, insert).await }.boxed()
}

/// The caller's reports, or all in their reach, the newest first, from `cursor` on.
pub async fn list(
    mongo: &Mongo,
    principal: &Principal,
    filter: &ReportFilter,
    Page { limit, cursor }: Page,
) -> Result<ReportPage, Problem> {
    let mut query = if filter.all {
        reach(principal)?
    } else {
        doc! {"userId": principal.id()}
    };
    if let Some(status) = filter.status {
        query.insert("status", status.name());
    }
    if let Some(Cursor(_, last)) = cursor {
        query.insert("_id", doc! {"$lt": last});
    }
    let wanted = Page::to_read(limit);
    let find = async |database: Database| {
        collection(&database)
            .find(query)
            .sort(doc! {"_id": -1})
            .limit(wanted)
            .await?
            .with_type::<RawDocumentBuf>()
            .try_collect::<Vec<_>>()
            .await
    };
    let read = mongo.run(REQUEST_TIMEOUT, find).await?;
    let (read, next_cursor) = Page::cut(read, limit, Page::by_id);
    let reports: Vec<BugReport> = mongo::readable("bug_reports", &read);
    Ok(ReportPage { reports: reports.into_iter().map(ReportView::from).collect(), next_cursor })
}

/// Reports that the caller may triage: every one for a super admin, else those of their organisation.
pub(super) fn reach(principal: &Principal) -> Result<Document, Problem> {
    match (principal.role(), &principal.account.organization_id) {
        (Role::SuperAdmin, _) => Ok(doc! {}),
        (_, Some(organization)) => Ok(doc! {"organizationId": organization}),
        (_, None) => Err(Problem::forbidden("no_organization", "Your account belongs to no organisation.")),
    }
}

pub(super) fn collection(database: &Database) -> Collection<BugReport> {
    database.collection("bug_reports")
}
