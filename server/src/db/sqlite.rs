//! Settings of the SQLite library itself, which no statement can make.
//!
//! - No statistics of allocations: nobody reads them, and readers queue on the lock around them.
//! - No lock within a connection: one is only ever with one thread at a time.
//! - A statement once prepared stays prepared. By default SQLite looks at bound values while it plans, and so prepares every
//!   statement with a bound `LIMIT` (each `first()` of diesel) again each time it is run, which costs more than running it.

use std::{
    ffi::{c_char, c_int},
    ptr,
    sync::Once,
};

use libsqlite3_sys::{
    SQLITE_CONFIG_MEMSTATUS, SQLITE_CONFIG_MULTITHREAD, SQLITE_DBCONFIG_ENABLE_QPSG, SQLITE_OK, sqlite3,
    sqlite3_api_routines, sqlite3_auto_extension, sqlite3_config, sqlite3_db_config,
};

/// Makes the settings, once, before the first connection is opened.
pub fn set_up() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: plain settings. Where a connection is open already, SQLite refuses the first two and changes nothing; the third
        // registers a function that lives as long as the program.
        let codes = unsafe {
            [
                sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0),
                sqlite3_config(SQLITE_CONFIG_MULTITHREAD),
                sqlite3_auto_extension(Some(on_open)),
            ]
        };
        if codes.iter().any(|code| *code != SQLITE_OK) {
            tracing::warn!(sqlite.codes = ?codes, "SQLite did not take its settings; it works, but slower");
        }
    });
}

/// Called by SQLite for each connection that it opens.
unsafe extern "C" fn on_open(db: *mut sqlite3, _error: *mut *mut c_char, _api: *const sqlite3_api_routines) -> c_int {
    // SAFETY: `db` is the connection being opened; the option takes an int and a pointer to int, which may be null.
    unsafe { sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_QPSG, 1 as c_int, ptr::null_mut::<c_int>()) }
}
