import { describe, expect, test } from '@jest/globals';
import { fillTemplate } from '../../src/ui/template.js';

const VALUE = {
  Id: 'x',
  Config: { Env: ['A=1', 'B=line\nbreak'], Labels: { 'a.b/c': 'd' } },
  image: { rootfs: { diff_ids: ['one'] } },
};

describe('fillTemplate', () => {
  test.each([
    ['{{.Id}}\\t{{ .Config.Env }}', 'x\t["A=1","B=line\\nbreak"]'],
    ['{{json .Config}}', JSON.stringify(VALUE.Config)],
    ['{{json .}}', JSON.stringify(VALUE)],
    ['{{index .Config.Labels "a.b/c"}}', 'd'],
    ['{{(index .Config "Env")}}', '["A=1","B=line\\nbreak"]'],
    ['{{json (index .Config "Labels")}}', '{"a.b/c":"d"}'],
    ['{{index .Config.Env 0}}', 'A=1'],
    ['{{index . "Config" "Labels" "a.b/c"}}', 'd'],
    ['{{(index . "Config").Labels}}', '{"a.b/c":"d"}'],
    ['none', 'none'],
  ])('%s', (template, expected) => {
    expect(fillTemplate(template, VALUE)).toBe(expected);
  });

  test('what JSON has in strings is no part of the template', () => {
    expect(JSON.parse(fillTemplate('{{json .}}\\n', VALUE))).toEqual(VALUE);
  });

  test("Go's names of members, and line breaks", () => {
    const options = { anyCase: true, pretty: true };
    expect(fillTemplate('{{.Image.RootFS.DiffIDs}}', VALUE, options)).toBe('["one"]');
    expect(fillTemplate('{{json .Image}}', VALUE, options)).toBe(
      JSON.stringify(VALUE.image, null, 2),
    );
    expect(() => fillTemplate('{{.Image}}', VALUE)).toThrow('there is no field Image');
  });

  test.each([
    ['{{.Nothing}}', 'there is no field Nothing'],
    ['{{.Id.More}}', 'there is nothing at .Id.More'],
    ['{{range .Config.Env}}{{.}}{{end}}', 'not understood'],
    ['{{.Id', 'not understood'],
    ['{{index .Config}}', 'not understood'],
  ])('%s is refused', (template, message) => {
    expect(() => fillTemplate(template, VALUE)).toThrow(message);
  });
});
