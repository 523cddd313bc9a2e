/** Lines of a terminal with colours, cut to its width. Pure. */
import stringWidth from 'string-width';

/** SGR parameters (ECMA-48): on, and off again. */
const STYLES = {
  plain: undefined,
  bold: ['1', '22'],
  dim: ['2', '22'],
  red: ['31', '39'],
  green: ['32', '39'],
  yellow: ['33', '39'],
  blue: ['34', '39'],
} as const;

export type Style = keyof typeof STYLES;

/** Text without controls, and how it looks. */
export interface Span {
  readonly text: string;
  readonly style: Style;
}

export type StyledLine = readonly Span[];

/** Shorthand: `span('text')`, `span('text', 'bold')`. */
export function span(text: string, style: Style = 'plain'): Span {
  return { text, style };
}

const ASCII = /^[ -~]*$/;
const CUT = '…';
const graphemes = new Intl.Segmenter();

/** Columns that a text takes: two for East Asian characters and emoji. */
function widthOf(text: string): number {
  return ASCII.test(text) ? text.length : stringWidth(text);
}

/** The beginning of a text that fits. */
function beginning(text: string, columns: number): string {
  if (ASCII.test(text)) return text.slice(0, columns);
  let width = 0;
  let end = 0;
  for (const { segment, index } of graphemes.segment(text)) {
    width += widthOf(segment);
    if (width > columns) break;
    end = index + segment.length;
  }
  return text.slice(0, end);
}

/** A line that takes no more columns; what is cut off ends with an ellipsis. */
export function cutLine(line: StyledLine, columns: number): StyledLine {
  const widths = line.map(({ text }) => widthOf(text));
  if (widths.reduce((sum, width) => sum + width, 0) <= columns) return line;
  let left = Math.max(0, columns - 1);
  const kept: Span[] = [];
  for (const [at, item] of line.entries()) {
    const width = widths[at] ?? 0;
    if (width > left) {
      kept.push({ ...item, text: `${beginning(item.text, left)}${columns > 0 ? CUT : ''}` });
      break;
    }
    kept.push(item);
    left -= width;
  }
  return kept;
}

/** The line as a terminal takes it. @param colour false: as it is without any */
export function paint(line: StyledLine, colour: boolean): string {
  const pieces = line.map(({ text, style }) => {
    const codes = colour && text !== '' ? STYLES[style] : undefined;
    return codes ? `\x1b[${codes[0]}m${text}\x1b[${codes[1]}m` : text;
  });
  return pieces.join('').trimEnd();
}
