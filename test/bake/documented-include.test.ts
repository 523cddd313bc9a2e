/** Every example of Compose's pages about `include` and `extends`, with names of our own, held against what they say. */
import { describe, expect, test } from '@jest/globals';
import type { Given } from './helpers.js';
import { print } from './helpers.js';

const compose = (yaml: string, given: Given = {}) => print({ 'compose.yaml': yaml }, given);

describe('include', () => {
  const own = (include: string, services = 'services: { app: { build: . } }') =>
    `include:\n${include}\n${services}\n`;
  const others = {
    'commons/compose.yaml': `
services:
  common:
    build: { context: ., additional_contexts: [src=../src, img=docker-image://x], ssh: [k=key] }
  bare:
    build: { dockerfile: "\${NAME:-none}.Dockerfile", secrets: [cert] }
secrets:
  cert: { file: ./cert }
`,
    'commons/.env': 'NAME=env\n',
    'other/dev.env': 'NAME=dev\n',
    'other/prod.env': 'NAME=prod\n',
    'override.yaml': 'services: { common: { build: { target: two } } }',
    'deep/compose.yaml': 'include: [sub/compose.yaml]',
    'deep/sub/compose.yaml': 'services: { below: { build: ./x } }',
    'loop/a.yaml': 'include: [b.yaml]\nservices: { a: { build: . } }',
    'loop/b.yaml': 'include: [a.yaml]\nservices: { b: { build: . } }',
    'same.yaml': 'services: { app: { build: . } }',
    'differs.yaml': 'services: { app: { build: other } }',
  };

  test('a path: a project of its own, whose paths begin at its directory', async () => {
    expect(await compose(own('  - commons/compose.yaml'), { others })).toEqual({
      group: { default: { targets: ['app', 'bare', 'common'] } },
      target: {
        app: { context: '.', dockerfile: 'Dockerfile' },
        common: {
          context: 'commons',
          contexts: { img: 'docker-image://x', src: 'src' },
          dockerfile: 'Dockerfile',
          ssh: [{ id: 'k', paths: ['commons/key'] }],
        },
        bare: {
          context: 'commons',
          dockerfile: 'env.Dockerfile',
          secret: [{ id: 'cert', src: 'commons/cert' }],
        },
      },
    });
  });

  test.each<[string, string, object]>([
    [
      'project_directory',
      '  - path: commons/compose.yaml\n    project_directory: .',
      { common: { context: '.' }, bare: { dockerfile: 'none.Dockerfile' } },
    ],
    [
      'env_file',
      '  - path: commons/compose.yaml\n    env_file: other/dev.env',
      { bare: { dockerfile: 'dev.Dockerfile' } },
    ],
    [
      'several of them',
      '  - path: commons/compose.yaml\n    env_file:\n      - other/dev.env\n      - other/prod.env',
      { bare: { dockerfile: 'prod.Dockerfile' } },
    ],
    [
      'several paths, which are merged',
      '  - path:\n      - commons/compose.yaml\n      - override.yaml',
      { common: { context: 'commons', target: 'two' } },
    ],
    ['files that include others', '  - deep/compose.yaml', { below: { context: 'deep/sub/x' } }],
    ['a service that is the same here', '  - same.yaml', { app: { context: '.' } }],
  ])('%s', async (_of, include, target) => {
    expect(await compose(own(include), { others })).toMatchObject({ target });
  });

  test('variables of the project that includes count first', async () => {
    const given = { others, environment: { NAME: 'mine' } };
    expect(await compose(own('  - commons/compose.yaml'), given)).toMatchObject({
      target: { bare: { dockerfile: 'mine.Dockerfile' } },
    });
  });

  test('wiac compose build: paths are those of this machine', async () => {
    const project = { name: undefined, directory: '/work/shop' };
    const yaml = own('  - ../commons/compose.yaml');
    const given = {
      project,
      others: { '../commons/compose.yaml': others['commons/compose.yaml'] },
    };
    expect(await compose(yaml, given)).toMatchObject({
      target: {
        app: { context: '/work/shop', tags: ['shop-app'] },
        common: { context: '/work/commons', contexts: { src: '/work/src' }, tags: ['shop-common'] },
        bare: { secret: [{ src: '/work/commons/cert' }] },
      },
    });
  });

  test.each([
    ['a service that is another one here', '  - differs.yaml', 'the service app is in a file'],
    ['files that include each other', '  - loop/a.yaml', 'loop/a.yaml includes itself'],
    ['a file of another machine', '  - oci://example.org/x', 'files of other machines'],
    ['no path', '  - project_directory: x', 'include has no path'],
    ['a file that is not there', '  - nowhere.yaml', 'there is no nowhere.yaml'],
  ])('a mistake: %s', async (_of, include, message) => {
    await expect(compose(own(include), { others })).rejects.toThrow(message);
  });

  test('long files cannot be read without an end', async () => {
    const long = { 'long.yaml': `services: {}\n# ${'x'.repeat(4 << 20)}` };
    const include = Array.from({ length: 9 }, () => '  - long.yaml').join('\n');
    await expect(compose(own(include), { others: long })).rejects.toThrow('too long ones');
  });

  test('a file cannot include without an end', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 30 }, (_, at) => [
        `${at}.yaml`,
        `include: [${at + 1}.yaml, ./${at + 1}.yaml]\nservices: {}`,
      ]),
    );
    await expect(
      compose(own('  - 0.yaml'), { others: { ...many, '30.yaml': 'services: {}' } }),
    ).rejects.toThrow('too many files');
  });
});

describe('extends', () => {
  const others = {
    'common.yaml': `
services:
  base:
    build: { context: ./dir, args: { A: one, B: one }, ssh: [default] }
  next:
    extends: base
    build: { target: next }
`,
    'sub/more.yaml': `
services:
  more:
    extends: { file: ../common.yaml, service: base }
    build: { additional_contexts: { here: . } }
  again:
    extends: { file: more.yaml, service: again }
`,
  };
  const extending = (file: string, service: string, lines = '') =>
    `services:\n  app:\n    extends:\n      file: ${file}\n      service: ${service}\n${lines}`;

  test.each<[string, string, object]>([
    [
      'a service of another file',
      extending('common.yaml', 'base', '    build: { args: { B: two } }\n'),
      { context: 'dir', args: { A: 'one', B: 'two' }, ssh: [{ id: 'default' }] },
    ],
    [
      'one that extends another one there',
      extending('common.yaml', 'next'),
      { context: 'dir', target: 'next', args: { A: 'one', B: 'one' } },
    ],
    [
      'one that extends another one in a third file',
      extending('sub/more.yaml', 'more'),
      { context: 'dir', contexts: { here: 'sub' }, args: { A: 'one', B: 'one' } },
    ],
  ])('%s', async (_of, yaml, expected) => {
    expect(await compose(yaml, { others })).toEqual({
      group: { default: { targets: ['app'] } },
      target: { app: expect.objectContaining(expected) },
    });
  });

  test('a service of this file', async () => {
    const yaml =
      'services:\n  one:\n    build: { context: a, target: b }\n  app:\n    extends: { service: one }\n    build: { target: c }\n';
    expect(await compose(yaml)).toMatchObject({ target: { app: { context: 'a', target: 'c' } } });
  });

  test.each([
    ['no such service', extending('common.yaml', 'nowhere'), 'there is no service nowhere'],
    ['a circle', extending('sub/more.yaml', 'again'), 'again extends itself'],
    [
      'no service',
      'services: { app: { extends: { file: common.yaml } } }',
      'extends has no service',
    ],
  ])('a mistake: %s', async (_of, yaml, message) => {
    await expect(compose(yaml, { others })).rejects.toThrow(message);
  });
});
