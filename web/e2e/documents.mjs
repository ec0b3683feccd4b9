import { crc32 } from './crc32.mjs';

/** Small real files of several kinds, made here so that none must be kept. */
export const documents = [
  { name: 'retention.pdf', mimeType: 'application/pdf', buffer: pdf([
    ['Harbour Observatory Handbook', 'Chapter 1. The observatory stands on Gull Island and opened in 1931.'],
    // A blank page, as handbooks have them between chapters.
    [],
    ['Chapter 2. Retention', 'Tide records are kept for forty-two years. Weather logs are kept for nine years.'],
  ]) },
  { name: 'visitors.docx', mimeType: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', buffer: docx([
    'Visitor rules of the Harbour Observatory',
    'Visitors may enter the lantern room only on Thursdays, in groups of at most six persons.',
  ]) },
  { name: 'equipment.md', mimeType: 'text/markdown', buffer: Buffer.from(
    '# Equipment\n\nThe main telescope is named Albatross. Its mirror measures 84 centimetres.\n\n## Care\n\nThe mirror is cleaned twice a year.\n',
  ) },
  { name: '海港天文台.txt', mimeType: 'text/plain', buffer: Buffer.from(
    '海港天文台的食堂每天早上七点开放。\n\n天文台的台长是林若溪，她于二〇一八年上任。图书馆藏有三千二百册星图。\n',
  ) },
];

/** What the citation of the English walk has to open. */
export const retention = { page: 3, pages: 3, text: 'Tide records are kept for forty-two years.', first: 'Gull Island' };

/** The beginning of a picture: nothing that could be read. */
export const picture = { name: 'photo.png', mimeType: 'image/png', bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13] };

export const emptyFile = { name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) };

/** A PDF of one text page per entry. */
function pdf(pages) {
  const objects = [];
  const add = (text) => objects.push(text);
  const first = 4;
  const kids = pages.map((_, index) => `${first + index * 2} 0 R`).join(' ');
  add('<< /Type /Catalog /Pages 2 0 R >>');
  add(`<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`);
  add('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>');
  for (const [index, lines] of pages.entries()) {
    const text = lines.map((line) => `(${line.replace(/([()\\])/g, '\\$1')}) Tj 0 -20 Td`).join(' ');
    const stream = `BT /F1 12 Tf 60 720 Td ${text} ET`;
    add(`<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents ${first + index * 2 + 1} 0 R >>`);
    add(`<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`);
  }
  let out = '%PDF-1.4\n';
  const offsets = objects.map((body, index) => {
    const at = out.length;
    out += `${index + 1} 0 obj\n${body}\nendobj\n`;
    return at;
  });
  const table = out.length;
  out += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n`;
  for (const at of offsets) out += `${String(at).padStart(10, '0')} 00000 n \n`;
  out += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${table}\n%%EOF\n`;
  return Buffer.from(out, 'latin1');
}

function docx(paragraphs) {
  const body = paragraphs.map((text) => `<w:p><w:r><w:t>${text}</w:t></w:r></w:p>`).join('');
  const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
  const types = 'http://schemas.openxmlformats.org/package/2006/content-types';
  const relations = 'http://schemas.openxmlformats.org/package/2006/relationships';
  const office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument';
  const word = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main';
  return zip({
    '[Content_Types].xml': `${head}<Types xmlns="${types}"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
    '_rels/.rels': `${head}<Relationships xmlns="${relations}"><Relationship Id="rId1" Type="${office}" Target="word/document.xml"/></Relationships>`,
    'word/document.xml': `${head}<w:document xmlns:w="${word}"><w:body>${body}</w:body></w:document>`,
  });
}

/** A zip archive without compression. */
function zip(files) {
  const locals = [];
  const centrals = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const data = Buffer.from(text);
    const label = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(label.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, label, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, label]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(centrals.length, 8);
  end.writeUInt16LE(centrals.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}
