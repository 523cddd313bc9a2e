/** What the page calls things. Pure. */
import type { ReportStep, StepStatus } from '../report/report-data.js';
import { formatDuration } from '../ui/format.js';

export const STATUS: Readonly<Record<StepStatus, string>> = {
  ran: 'ran',
  cached: 'cached',
  failed: 'failed',
  stopped: 'stopped',
  running: 'running',
  unreached: 'not reached',
  none: 'no layer',
};

export const plural = (count: number, one: string, many = `${one}s`) =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

export const firstLine = (text: string) => text.split('\n', 1)[0] ?? '';

/** A duration as it stands beside a step: nothing for those that take no time. */
export function timeOf({ status, duration }: ReportStep): string {
  if (!['ran', 'cached', 'failed', 'stopped', 'running'].includes(status)) return '';
  return duration < 5 ? '0s' : formatDuration(duration);
}

export const shorten = (text: string, most: number) =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;

/** For people: `2026-11-29 04:01`. */
export function formatDate(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
