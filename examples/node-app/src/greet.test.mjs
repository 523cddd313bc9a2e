import assert from 'node:assert';
import test from 'node:test';
import { greet } from './greet.mjs';

test('greets', () => assert.equal(greet('you'), 'hello, you'));
