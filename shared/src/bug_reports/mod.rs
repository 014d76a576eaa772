//! Bug reports: what people saw go wrong, and what became of it.

mod page_url;
mod report;
mod triage;

pub use page_url::PageUrl;
pub use report::{
    ElementSize, HistoryEntry, LIMIT, NewReport, ReportFilter, ReportPage, ReportStatus, ReportView, Reported, create,
    list,
};
pub use triage::{TRIAGE, Triage, triage};
