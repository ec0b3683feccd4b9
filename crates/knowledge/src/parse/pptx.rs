use std::io::{Read, Seek};

use quick_xml::XmlVersion;

use super::archive::Archive;
use super::pages::{Pages, single_line};
use super::xml::{Node, attribute, walk};
use super::{Outcome, ParseError, ParsedPage};

/// PowerPoint: a slide is a page; its title a heading; the speaker's notes follow the slide.
pub(super) fn read(
    file: impl Read + Seek,
    sink: &mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
) -> Result<Outcome, ParseError> {
    let mut archive = Archive::open(file)?;
    let slides = slides(&mut archive)?;
    if slides.is_empty() {
        return Err(ParseError::UnsupportedType);
    }
    let count = u32::try_from(slides.len()).unwrap_or(u32::MAX);
    let mut pages = Pages::fixed(sink);
    for (index, slide) in slides.iter().enumerate() {
        if index > 0 {
            pages.page_break()?;
        }
        if let Some(xml) = archive.read(slide)? {
            shapes(&xml, &mut pages, false)?;
        }
        for notes in targets(&mut archive, slide, "/notesSlide")? {
            if let Some(xml) = archive.read(&notes)? {
                shapes(&xml, &mut pages, true)?;
            }
        }
    }
    pages.finish()?;
    Ok(Outcome { page_count: Some(count), ..Outcome::default() })
}

/// The slides' parts in the order in which they are shown.
fn slides<R: Read + Seek>(archive: &mut Archive<R>) -> Result<Vec<String>, ParseError> {
    let Some(xml) = archive.read("ppt/presentation.xml")? else { return Ok(Vec::new()) };
    let links = relations(archive, "ppt/presentation.xml")?;
    let mut slides = Vec::new();
    walk(&xml, |node| {
        if let Node::Open("sldId", start) = node {
            // Two attributes are called `id`; the relation's is the one with a prefix.
            let id = start.attributes().filter_map(Result::ok).find_map(|a| {
                let name = a.key.into_inner();
                (name.ends_with(":id"))
                    .then(|| a.normalized_value(XmlVersion::Implicit1_0).ok())
                    .flatten()
            });
            slides.extend(links.iter().find(|l| Some(l.id.as_str()) == id.as_deref()).cloned());
        }
        Ok(())
    })?;
    Ok(slides.into_iter().map(|link| link.target).collect())
}

#[derive(Clone)]
struct Link {
    id: String,
    kind: String,
    target: String,
}

/// What a part refers to, as paths within the archive.
fn relations<R: Read + Seek>(
    archive: &mut Archive<R>,
    part: &str,
) -> Result<Vec<Link>, ParseError> {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let mut links = Vec::new();
    if let Some(xml) = archive.read(&format!("{folder}/_rels/{name}.rels"))? {
        walk(&xml, |node| {
            if let Node::Open("Relationship", start) = node {
                let get = |name| attribute(start, name).unwrap_or_default();
                let target = resolve(folder, &get("Target"));
                links.push(Link { id: get("Id"), kind: get("Type"), target });
            }
            Ok(())
        })?;
    }
    Ok(links)
}

fn targets<R: Read + Seek>(
    archive: &mut Archive<R>,
    part: &str,
    kind: &str,
) -> Result<Vec<String>, ParseError> {
    let links = relations(archive, part)?;
    Ok(links.into_iter().filter(|l| l.kind.ends_with(kind)).map(|l| l.target).collect())
}

/// `../notes/x.xml` seen from `ppt/slides`.
fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').collect();
    for step in target.split('/') {
        match step {
            ".." => drop(parts.pop()),
            "." => {}
            step => parts.push(step),
        }
    }
    parts.join("/")
}

/// The texts of a slide or, of notes, the body only.
fn shapes(xml: &[u8], pages: &mut Pages<'_>, notes: bool) -> Result<(), ParseError> {
    let (mut kind, mut text, mut in_text) = (None::<String>, String::new(), false);
    let (mut row, mut in_table): (Vec<String>, bool) = (Vec::new(), false);
    walk(xml, |node| {
        match node {
            Node::Open("sp", _) => kind = None,
            Node::Open("ph", start) => {
                kind = Some(attribute(start, "type").unwrap_or_else(|| "body".to_owned()));
            }
            Node::Open("t", _) => in_text = true,
            Node::Close("t") => in_text = false,
            Node::Open("br", _) => text.push('\n'),
            Node::Text(part) if in_text => text.push_str(part),
            Node::Open("tbl", _) => in_table = true,
            Node::Close("tbl") => in_table = false,
            Node::Close("tc") => row.push(single_line(&std::mem::take(&mut text))),
            Node::Close("tr") => pages.line(&std::mem::take(&mut row).join(" | "))?,
            Node::Close("p") if in_table => text.push(' '),
            Node::Close("p") => {
                let text = std::mem::take(&mut text);
                match kind.as_deref() {
                    Some("sldNum" | "dt" | "ftr" | "hdr") => {}
                    Some("body") if notes => pages.block(&text)?,
                    _ if notes => {}
                    Some("title" | "ctrTitle") => pages.heading(1, &text)?,
                    _ => pages.block(&text)?,
                }
            }
            _ => {}
        }
        Ok(())
    })
}
