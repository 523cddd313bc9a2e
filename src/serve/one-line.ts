/** Small things that answers have in common. Pure. */
import { shown } from '../report/collect-events.js';

/** A text of others in one line, harmless. */
export const oneLine = (text: string) => shown(text.replaceAll('\n', ' '));

export const sumBytes = (of: readonly { readonly bytes: number }[]) =>
  of.reduce((total, { bytes }) => total + bytes, 0);
