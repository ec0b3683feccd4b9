//! Files of each kind, made here.

use std::io::{Cursor, Write as _};

use zip::write::{SimpleFileOptions, ZipWriter};

pub fn zip(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const TYPES: (&str, &str) = ("[Content_Types].xml", "<Types/>");

/// A Word document: a heading, a paragraph with a deleted word, a list, a table.
pub fn docx(heading: &str, paragraph: &str) -> Vec<u8> {
    let styles = r#"<w:styles xmlns:w="w"><w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>
        <w:style w:styleId="Own"><w:name w:val="mine"/><w:basedOn w:val="H1"/></w:style></w:styles>"#;
    let item =
        |text: &str| format!("<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>");
    let cell = |text: &str| format!("<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>");
    let body = format!(
        r#"<w:document xmlns:w="w"><w:body>
        <w:p><w:pPr><w:pStyle w:val="Own"/></w:pPr><w:r><w:t>{heading}</w:t></w:r></w:p>
        <w:p><w:r><w:t xml:space="preserve">{paragraph} </w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>
        <w:r><w:t>A &amp; B &#x4E2D;.</w:t></w:r></w:p>{}{}
        <w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>
        <w:p><w:r><w:br w:type="page"/><w:t>Second page.</w:t></w:r></w:p></w:body></w:document>"#,
        item("first item"),
        item("second item"),
        cell("name"),
        cell("city"),
        cell("Ada"),
        cell("London"),
    );
    zip(&[TYPES, ("word/document.xml", &body), ("word/styles.xml", styles)])
}

pub fn xlsx() -> Vec<u8> {
    workbook("")
}

/// Two sheets, the second of which breaks off in the middle of a row.
pub fn damaged_xlsx() -> Vec<u8> {
    workbook(r#"<worksheet><sheetData><row r="1"><c r="A1"><v>7</v></c><c r="B1"><v>8"#)
}

/// A sheet, and a second one where it is given.
fn workbook(second: &str) -> Vec<u8> {
    let sheet = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>
        <row r="1"><c r="A1" t="inlineStr"><is><t>城市</t></is></c><c r="B1" t="inlineStr"><is><t>people</t></is></c></row>
        <row r="2"><c r="A2" t="inlineStr"><is><t>上海</t></is></c><c r="B2"><v>24870000</v></c></row>
        </sheetData></worksheet>"#;
    let also = match second {
        "" => "",
        _ => r#"<sheet name="Broken" sheetId="2" r:id="rId2"/>"#,
    };
    let book = format!(
        r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
        <sheets><sheet name="Cities" sheetId="1" r:id="rId1"/>{also}</sheets></workbook>"#
    );
    let links = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
        <Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>
        <Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/></Relationships>"#;
    let root = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
        <Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    zip(&[
        TYPES,
        ("_rels/.rels", root),
        ("xl/workbook.xml", &book),
        ("xl/_rels/workbook.xml.rels", links),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/worksheets/sheet2.xml", second),
    ])
}

pub fn pptx() -> Vec<u8> {
    let slide = |title: &str, text: &str| {
        format!(
            r#"<p:sld xmlns:p="p" xmlns:a="a"><p:sp><p:nvPr><p:ph type="title"/></p:nvPr><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:sp>
            <p:sp><p:nvPr><p:ph type="sldNum"/></p:nvPr><a:p><a:r><a:t>7</a:t></a:r></a:p></p:sp>
            <p:sp><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sp></p:sld>"#
        )
    };
    let show = r#"<p:presentation xmlns:p="p" xmlns:r="r"><p:sldIdLst><p:sldId id="256" r:id="rId2"/>
        <p:sldId id="257" r:id="rId1"/></p:sldIdLst></p:presentation>"#;
    let links = r#"<Relationships><Relationship Id="rId1" Type="t/slide" Target="slides/slide1.xml"/>
        <Relationship Id="rId2" Type="t/slide" Target="slides/slide2.xml"/></Relationships>"#;
    let notes = r#"<p:notes xmlns:p="p" xmlns:a="a"><p:sp><p:nvPr><p:ph type="body"/></p:nvPr><a:p><a:r><a:t>Say hello.</a:t></a:r></a:p></p:sp></p:notes>"#;
    let note_link = r#"<Relationships><Relationship Id="r" Type="t/notesSlide" Target="../notesSlides/n.xml"/></Relationships>"#;
    zip(&[
        TYPES,
        ("ppt/presentation.xml", show),
        ("ppt/_rels/presentation.xml.rels", links),
        ("ppt/slides/slide1.xml", &slide("Last", "shown second")),
        ("ppt/slides/slide2.xml", &slide("First", "shown first")),
        ("ppt/slides/_rels/slide2.xml.rels", note_link),
        ("ppt/notesSlides/n.xml", notes),
    ])
}

/// Stands for a page that is only a picture.
pub const PICTURE: &str = "\u{1f5bc}";

/// A PDF with one page for each text, in a font without glyphs whose codes a ToUnicode map
/// explains, as office programs write Chinese.
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    let mut letters: Vec<char> = pages.iter().flat_map(|text| text.chars()).collect();
    letters.sort_unstable();
    letters.dedup();
    let code = |c: char| letters.binary_search(&c).unwrap() + 1;
    let map: String = letters
        .iter()
        .map(|c| {
            let units: String =
                c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("{u:04X}")).collect();
            format!("<{:04X}> <{units}>\n", code(*c))
        })
        .collect();
    let to_unicode = format!(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n\
         1 begincodespacerange <0000> <FFFF> endcodespacerange\n{} beginbfchar\n{map}endbfchar\n\
         endcmap end end",
        letters.len()
    );
    let stream = |data: &str| format!("<< /Length {} >>\nstream\n{data}\nendstream", data.len());
    let kids: String = (0..pages.len()).map(|at| format!("{} 0 R ", 6 + at * 2)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()),
        "<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [4 0 R] /ToUnicode 5 0 R >>".to_owned(),
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 1000 /FontDescriptor << /Type /FontDescriptor /FontName /X /Flags 4 >> >>".to_owned(),
        stream(&to_unicode),
    ];
    for (at, text) in pages.iter().enumerate() {
        let content = match *text {
            "" => "0 0 100 100 re f".to_owned(),
            PICTURE => "q 612 0 0 792 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q".to_owned(),
            text => {
                let codes: String = text.chars().map(|c| format!("{:04X}", code(c))).collect();
                format!("BT /F1 12 Tf 72 700 Td <{codes}> Tj ET")
            }
        };
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            7 + at * 2
        ));
        objects.push(stream(&content));
    }
    let mut out = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend(format!("{} 0 obj\n{object}\nendobj\n", at + 1).into_bytes());
    }
    let start = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for place in places {
        out.extend(format!("{place:010} 00000 n \n").into_bytes());
    }
    let size = objects.len() + 1;
    out.extend(
        format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n")
            .into_bytes(),
    );
    out
}

/// Looks like a Word document and unpacks to 400 megabytes.
pub fn zip_bomb() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    zip.start_file("[Content_Types].xml", options).unwrap();
    zip.write_all(b"<Types/>").unwrap();
    zip.start_file("word/document.xml", options).unwrap();
    let block = vec![b' '; 1 << 20];
    for _ in 0..400 {
        zip.write_all(&block).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Distinct sentences, in both languages.
pub fn long_text(sentences: usize) -> String {
    (0..sentences)
        .map(|n| {
            format!("Sentence number {n} tells of thing{n} and more. 第{n}句说到物品{n}。\n\n")
        })
        .collect()
}
