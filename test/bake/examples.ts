/** Examples of buildx's bake pages, held against what the pages say of them. */
import { describe, expect, test } from '@jest/globals';
import type { Files, Given } from './helpers.js';
import { print } from './helpers.js';

/** One example: the page and what it is about, its files, how it is asked for, what is printed. */
export interface Example {
  readonly of: string;
  readonly files: Files;
  readonly given?: Given;
  /** Fields of each target, beyond the usual context and Dockerfile. */
  readonly targets: Readonly<Record<string, object>>;
  /** Members of each group; without them the group `default` has the targets. */
  readonly groups?: Readonly<Record<string, readonly string[]>>;
}

function expected({ targets, groups = { default: Object.keys(targets).sort() } }: Example) {
  const group = Object.entries(groups).map(([name, members]) => [name, { targets: members }]);
  const target = Object.entries(targets).map(([name, fields]) => [
    name,
    { context: '.', dockerfile: 'Dockerfile', ...fields },
  ]);
  return { group: Object.fromEntries(group), target: Object.fromEntries(target) };
}

/** A file with only the target `default`. */
export const only = (of: string, body: string, fields: object): Example => ({
  of,
  files: `target "default" {\n${body}\n}`,
  targets: { default: fields },
});

/** One test for each example. */
export function testExamples(page: string, examples: readonly Example[]): void {
  describe(page, () => {
    test.each(examples.map((example) => [example.of, example] as const))(
      '%s',
      async (_of, example) => {
        expect(await print(example.files, example.given)).toEqual(expected(example));
      },
    );
  });
}
