/** Options of a build that change the image which it makes, and none of the steps. */
import { type Command, InvalidArgumentError } from 'commander';
import { collect } from './collect.js';

/** Seconds since 1970-01-01, until the last day of the year 9999. */
function seconds(value: string): number {
  if (/^\d{1,12}$/.test(value) && Number(value) <= 253_402_300_799) return Number(value);
  throw new InvalidArgumentError('It is the number of seconds since 1970-01-01.');
}

/** --label, --env, --squash, --timestamp and so on */
export function resultOptions(command: Command): Command {
  return timeOptions(
    command
      .option(
        '--label <name=value>',
        'label for the result, can be given several times',
        collect,
        [],
      )
      .option('--unsetlabel <name>', 'leave a label out of the result', collect, [])
      .option('--env <name=value>', 'variable of the result; RUN steps do not see it', collect, [])
      .option('--unsetenv <name>', 'leave a variable out of the result', collect, [])
      .option('--squash', 'one layer in the place of those above the base image', false)
      .option('--squash-all', 'one layer in the place of all, those of the base image too', false)
      .option('--omit-history', 'leave the history out of the result', false),
  );
}

/** --timestamp, --source-date-epoch, --rewrite-timestamp */
export function timeOptions(command: Command): Command {
  return command
    .option(
      '--timestamp <seconds>',
      'time of the image, and of every file in the layers of this build',
      seconds,
    )
    .option(
      '--source-date-epoch <seconds>',
      'the same as --build-arg SOURCE_DATE_EPOCH=SECONDS',
      seconds,
    )
    .option(
      '--rewrite-timestamp',
      'no file in layers of this build is newer than SOURCE_DATE_EPOCH',
      false,
    );
}
