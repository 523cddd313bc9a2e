/**
 * Splits one CSV record (RFC 4180) as the values of `--mount` are written: fields between commas,
 * a field in double quotes may hold commas, and `""` in it is one quote.
 *
 * @returns the fields, or undefined when a quote is misplaced or is not closed
 */
export function splitCsv(record: string): readonly string[] | undefined {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let field = '';
    if (record.charAt(at) === '"') {
      for (;;) {
        const close = record.indexOf('"', at + 1);
        if (close < 0) return undefined;
        field += record.slice(at + 1, close);
        at = close + 1;
        if (record.charAt(at) !== '"') break;
        field += '"';
      }
    } else {
      const comma = record.indexOf(',', at);
      const end = comma < 0 ? record.length : comma;
      field = record.slice(at, end);
      if (field.includes('"')) return undefined;
      at = end;
    }
    fields.push(field);
    if (at === record.length) return fields;
    if (record.charAt(at) !== ',') return undefined;
    at++;
  }
}
