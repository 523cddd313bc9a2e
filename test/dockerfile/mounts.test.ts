import { describe, expect, test } from '@jest/globals';
import { parseMount } from '../../src/dockerfile/mount-flags.js';
import { getError, HERE } from './helpers.js';

const CACHE = {
  type: 'cache',
  sharing: 'shared',
  from: undefined,
  source: '/',
  readOnly: false,
  mode: 0o755,
  uid: 0,
  gid: 0,
};
const SECRET = { type: 'secret', env: undefined, required: false, mode: 0o400, uid: 0, gid: 0 };

describe('parseMount', () => {
  test.each([
    ['target=/a', { type: 'bind', target: '/a', from: undefined, source: '/', readOnly: true }],
    [
      'TYPE=Bind,from=b,src=/x,dst=y,rw',
      { type: 'bind', target: 'y', from: 'b', source: '/x', readOnly: false },
    ],
    [
      'type=bind,rw=false,destination=/a',
      { type: 'bind', target: '/a', from: undefined, source: '/', readOnly: true },
    ],
    [
      'type=bind,ro=0',
      { type: 'bind', target: '.', from: undefined, source: '/', readOnly: false },
    ],
    ['type=cache,target=/a/../b/', { ...CACHE, target: '/a/../b/', id: '/b/' }],
    [
      'type=cache,id=i,target=/c,sharing=LOCKED,from=s,source=/d,ro,mode=0700,uid=5,gid=6',
      {
        ...CACHE,
        id: 'i',
        target: '/c',
        sharing: 'locked',
        from: 's',
        source: '/d',
        readOnly: true,
        mode: 0o700,
        uid: 5,
        gid: 6,
      },
    ],
    ['type=tmpfs,target=/t', { type: 'tmpfs', target: '/t', size: undefined, readOnly: false }],
    [
      'size=1.5k,type=tmpfs,target=/t',
      { type: 'tmpfs', target: '/t', size: 1536, readOnly: false },
    ],
    [
      'type=tmpfs,target=/t,size=2GiB',
      { type: 'tmpfs', target: '/t', size: 2 ** 31, readOnly: false },
    ],
    ['type=tmpfs,target=/t,size=10', { type: 'tmpfs', target: '/t', size: 10, readOnly: false }],
    ['type=secret,id=a/b', { ...SECRET, id: 'a/b', target: '/run/secrets/b' }],
    ['type=secret,target=/x/y,required', { ...SECRET, id: 'y', target: '/x/y', required: true }],
    ['required=false,type=secret,source=s', { ...SECRET, id: 's', target: '/run/secrets/s' }],
    ['type=secret,id=a,env=A', { ...SECRET, id: 'a', env: 'A', target: undefined }],
    [
      'type=secret,id=a,env=A,dst=/f,mode=0444',
      { ...SECRET, id: 'a', env: 'A', target: '/f', mode: 0o444 },
    ],
    [
      'type=ssh',
      {
        type: 'ssh',
        id: 'default',
        target: undefined,
        required: false,
        mode: 0o600,
        uid: 0,
        gid: 0,
      },
    ],
    [
      'type=ssh,id=k,target=/s,required=true,uid=7',
      { type: 'ssh', id: 'k', target: '/s', required: true, mode: 0o600, uid: 7, gid: 0 },
    ],
    [
      '"source=a,""b",target=/c',
      { type: 'bind', target: '/c', from: undefined, source: 'a,"b', readOnly: true },
    ],
  ])('%s', (text, mount) => {
    expect(parseMount(text, HERE)).toEqual(mount);
  });

  test('values are expanded after the fields were split', () => {
    const mount = parseMount('type=cache,target=$t', HERE, (value) => value.replace('$t', '/a,b'));
    expect(mount).toMatchObject({ target: '/a,b', id: '/a,b' });
  });

  test.each([
    ['type=bnd,target=/a', "unsupported mount type 'bnd'", 'did you mean bind?'],
    ['type=cache,targt=/a', "unknown option 'targt=/a'", 'did you mean target?'],
    ['type=bind,constructor=x', 'unknown option', 'write one of'],
    ['type=cache,target', "option 'target' needs a value", 'target=VALUE'],
    ['type=bind,target=/a,mode=1', "a bind mount has no option 'mode'", 'source'],
    ['type=bind,required', "no option 'required'", 'source'],
    ['type=secret,id=a,sharing=shared', "no option 'sharing'", 'id'],
    ['type=secret', 'the secret has no id', 'id=NAME'],
    ['type=secret,id=a,source=b', 'both id and source', 'keep id'],
    ['type=cache,target=/a,sharing=lokced', "unsupported sharing 'lokced'", 'locked?'],
    ['type=cache,target=/a,mode=9', "'9' of mode", '0755'],
    ['type=cache,target=/a,uid=root', "'root' of uid", 'numbers'],
    ['type=cache,target=/a,gid=4294967296', "'4294967296' of gid", 'numbers'],
    ['type=tmpfs,target=/a,size=much', "'much' of size", '64m'],
    ['target=/a,ro=yes', "'yes' of ro", 'true'],
    ['target=/', "invalid target '/'", 'below /'],
    ['target=/a/..', "invalid target '/a/..'", 'below /'],
    ['"target=/a', 'misplaced double quote', 'quote'],
    ['target="/a"', 'misplaced double quote', 'quote'],
    ['"target=/a"b', 'misplaced double quote', 'quote'],
    ['', "unknown option ''", 'write one of'],
  ])('%j is an error', (text, message, hint) => {
    const error = getError(() => parseMount(text, HERE));
    expect(error.message).toContain(message);
    expect(error.message).toContain(`--mount=${text}`);
    expect(error.hint).toContain(hint);
    expect(error.location).toBe(HERE);
  });
});
