/** wiac's own log: pino on stderr, pretty on a terminal, JSON otherwise. */
import type { Logger } from 'pino';

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes a record; pino is loaded with the first one, because most builds have nothing to log. */
export type Log = (
  level: Exclude<LogLevel, 'silent'>,
  message: string,
  fields?: object,
) => Promise<void>;

async function openLogger(level: LogLevel): Promise<Logger> {
  const { pino } = await import('pino');
  if (!process.stderr.isTTY) return pino({ level }, pino.destination({ fd: 2, sync: true }));
  const { PinoPretty } = await import('pino-pretty');
  return pino({ level }, PinoPretty({ destination: 2, sync: true, ignore: 'pid,hostname' }));
}

/** A log that passes on records of this level and those above it. */
export function createLog(threshold: LogLevel): Log {
  let logger: Promise<Logger> | undefined;
  return async (level, message, fields = {}) => {
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(threshold)) return;
    logger ??= openLogger(threshold);
    (await logger)[level](fields, message);
  };
}
