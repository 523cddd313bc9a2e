/** wiac's own log, for messages that are no events of a build: lines, or pino's records on request. */
import { describeWarning } from './plain.js';

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Writes a warning to standard error, at once. */
export type WarningLog = (message: string) => void;

/** Is a warning shown at this level? */
export function showsWarnings(level: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf('warn');
}

/**
 * Opens the log.
 * @param threshold records below it are left out
 * @param format `json`: one record of pino a line; it is loaded only then
 */
export async function openLog(threshold: LogLevel, format: LogFormat): Promise<WarningLog> {
  if (!showsWarnings(threshold)) return () => {};
  if (format === 'text') return (message) => process.stderr.write(`${describeWarning(message)}\n`);
  const { pino } = await import('pino');
  const logger = pino({ level: threshold }, pino.destination({ fd: 2, sync: true }));
  return (message) => logger.warn(message);
}
