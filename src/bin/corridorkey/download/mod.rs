//! `corridorkey models download`: the official weights, from their publisher to the models folder.
//!
//! * [`source`]: what is wanted, from where; [`address`]: which servers may be asked.
//! * [`licence`]: the terms, shown before anything is fetched.
//! * [`http`]: one question to a server; [`release`]: what the publisher says there is.
//! * [`transfer`]: the file itself; [`cache`]: where it stays.
//!
//! This is the only place of the project that uses the network, and only when this command is
//! given: the plug-in has none of it.

mod address;
mod cache;
mod http;
mod licence;
mod release;
mod source;
mod transfer;

use std::path::Path;
use std::time::Instant;

use corridorkey::error::{Error, Result};
use corridorkey::network::Models;
use serde_json::{Value, json};

use self::cache::{Downloaded, Record};
use self::http::Client;
use self::source::Source;
use crate::args::DownloadArguments;
use crate::import::{self, import_file, report_json, report_text};
use crate::interrupt;
use crate::report::{print_error, print_json, print_text};

/// Runs the command.
pub(crate) fn run(models: &Models, arguments: &DownloadArguments, json: bool) -> Result<u8> {
    if arguments.print_path && json {
        return Err(Error::Usage(
            "--print-path and --json both say what standard output is; give one of them".into(),
        ));
    }
    let source = Source::read(arguments, &|name| std::env::var(name).ok())?;
    let root = cache::root()?;
    // Asked before signals are listened to, so that Ctrl-C is an answer too.
    licence::agree(&root, arguments.accept_licence)?;
    interrupt::listen()?;
    let began = Instant::now();
    let downloaded = weights(&source, &root, arguments.force, json)?;
    if arguments.print_path {
        print_text(&format!("{}\n", downloaded.path.display()));
    } else if !json {
        print_text(&downloaded_text(&downloaded));
    }
    let imported = if arguments.no_import {
        None
    } else {
        Some(import_file(&downloaded.path, &arguments.target, json)?)
    };
    if json {
        print_json(&json!({
            "downloaded": downloaded_json(&downloaded),
            "import": imported.as_ref().map(|report| report_json(models, report, began)),
        }));
    } else if let Some(report) = &imported {
        let text = report_text(report);
        if arguments.print_path {
            print_error(text.trim_end());
        } else {
            print_text(&text);
        }
    }
    Ok(0)
}

/// The file that is wanted: the one that is here already, or else a new one.
fn weights(source: &Source, root: &Path, anew: bool, quiet: bool) -> Result<Downloaded> {
    // A release that is named and here needs no server.
    if let Some(tag) = &source.tag
        && !anew
        && let Some(found) = cache::find(root, source, tag)?
    {
        return Ok(found);
    }
    let client = Client::new(source).map_err(|trouble| release::failed(&source.what(), trouble))?;
    let release = release::find(&client, source)?;
    let asset = release.asset(source)?;
    if !anew
        && let Some(found) = cache::find(root, source, &release.tag)?
        && found.record.size == asset.size
    {
        return Ok(found);
    }
    let expected = release.expected(&client, asset)?;
    if expected.is_none() {
        print_error(&format!(
            "warning: the release {} has no checksum of {}; whether it arrives as it was published \
             cannot be told",
            release.tag, asset.name
        ));
    }
    let target = cache::folder(root, source, &release.tag).join(&asset.name);
    let bar = import::bar(quiet);
    bar.set_length(asset.size);
    let fetched = transfer::fetch(
        &client,
        asset,
        expected.as_ref(),
        &target,
        anew,
        &mut |done| bar.set_position(done),
    );
    bar.finish_and_clear();
    let fetched = fetched?;
    let record = Record {
        api: source.api.clone(),
        repository: source.repository.clone(),
        tag: release.tag.clone(),
        asset: asset.name.clone(),
        size: asset.size,
        sha256: fetched.sha256,
        said_by: expected.map(|expected| expected.said_by),
    };
    cache::remember(&target, &record)?;
    Ok(Downloaded {
        path: target,
        record,
        cached: false,
        resumed: fetched.resumed,
    })
}

fn downloaded_json(downloaded: &Downloaded) -> Value {
    let record = &downloaded.record;
    json!({
        "path": downloaded.path.display().to_string(),
        "repository": record.repository,
        "tag": record.tag,
        "asset": record.asset,
        "bytes": record.size,
        "sha256": record.sha256,
        "checked_by": record.said_by,
        "cached": downloaded.cached,
        "resumed": downloaded.resumed,
    })
}

fn downloaded_text(downloaded: &Downloaded) -> String {
    let record = &downloaded.record;
    let verb = if downloaded.cached {
        "downloaded before"
    } else {
        "downloaded"
    };
    let proof = match &record.said_by {
        Some(said_by) => format!("as {said_by} says"),
        None => "unchecked".into(),
    };
    format!(
        "{verb}: {} of {} ({}), {} MB, sha256 {} {proof}  {}\n",
        record.asset,
        record.repository,
        record.tag,
        record.size.div_ceil(1_000_000),
        record.sha256,
        downloaded.path.display()
    )
}
