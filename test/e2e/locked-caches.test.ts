/** Caches that steps want for themselves: nobody waits for himself, and no two for each other. */
import { test } from '@jest/globals';
import { context, dockerfile, machine } from '../support/wiac.js';

function mount(id: string, target: string): string {
  return `--mount=type=cache,sharing=locked,id=${id},target=${target}`;
}

test('a step that mounts one locked cache twice does not wait for itself', async () => {
  const made = machine();
  const line = `RUN ${mount('c', '/a')} ${mount('c', '/b')} echo x > /a/file && test -e /b/file`;
  await made.build(context({ Dockerfile: dockerfile(line) }));
});

test('two steps that lock two caches in opposite order both get them', async () => {
  const made = machine();
  const order = [
    [mount('c', '/c'), mount('d', '/d')],
    [mount('d', '/d'), mount('c', '/c')],
  ].map((mounts) => mounts.join(' '));
  const path = context({
    Dockerfile: dockerfile(
      'FROM scratch AS one\nCOPY bin /bin',
      ...Array.from({ length: 3 }, (_, at) => `RUN ${order[0]} sleep 0.2 && echo ${at} > /one`),
      'FROM scratch AS two\nCOPY bin /bin',
      ...Array.from({ length: 3 }, (_, at) => `RUN ${order[1]} sleep 0.2 && echo ${at} > /two`),
      'FROM two',
      'COPY --from=one /one /one',
    ),
  });
  await made.build(path, '--jobs=4');
});
