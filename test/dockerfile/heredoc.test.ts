import { describe, expect, test } from '@jest/globals';
import { readHeredocWord } from '../../src/dockerfile/heredoc.js';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { HERE, instruction, instructionError, place } from './helpers.js';

const PLAIN = { name: 'EOF', expand: true, stripTabs: false, fd: undefined };

describe('heredocs', () => {
  test('RUN keeps the text of its line and gets the content', () => {
    const run = instruction('run', 'RUN <<EOF\n# kept\n\n  a \\\nEOF\n');
    expect(run.command).toEqual({ form: 'shell', text: '<<EOF' });
    expect(run.heredocs).toEqual([{ ...PLAIN, content: '# kept\n\n  a \\\n' }]);
    expect(run.location).toMatchObject({ line: 2, endLine: 6 });
    expect(run.original).toBe('RUN <<EOF');
  });

  test.each([
    ['<<EOF', PLAIN],
    ['<<"EOF"', { ...PLAIN, expand: false }],
    ["<<'EOF'", { ...PLAIN, expand: false }],
    ['<<E"O"F', { ...PLAIN, expand: false }],
    ['<<-EOF', { ...PLAIN, stripTabs: true }],
    ['3<<EOF', { ...PLAIN, fd: 3 }],
    ['0<<-"EOF"', { name: 'EOF', expand: false, stripTabs: true, fd: 0 }],
  ])('RUN cat %s', (word, head) => {
    const run = instruction('run', `RUN cat ${word}\nx\nEOF`);
    expect(run.heredocs).toEqual([{ ...head, content: 'x\n' }]);
  });

  test('<<- removes leading tabs of the content and before the delimiter, no blanks', () => {
    const run = instruction('run', 'RUN <<-EOF\n\t\ta\tb\n \tc\n\t\tEOF\nRUN next');
    expect(run.heredocs[0]?.content).toBe('a\tb\n \tc\n');
    const error = instructionError('RUN <<EOF\nx\n\tEOF');
    expect(error.message).toContain('unterminated heredoc');
  });

  test('several on one line are read one after the other', () => {
    const run = instruction('run', 'RUN a <<ONE 3<<TWO\n1\nTWO\nONE\n2\nTWO\nCMD x');
    expect(run.heredocs).toMatchObject([
      { name: 'ONE', content: '1\nTWO\n', fd: undefined },
      { name: 'TWO', content: '2\n', fd: 3 },
    ]);
  });

  test('line ends in the content are kept, the delimiter may have CRLF', () => {
    expect(instruction('run', 'RUN <<EOF\r\na\r\nEOF\r\n').heredocs[0]?.content).toBe('a\r\n');
  });

  test('the instruction after it is parsed as usual', () => {
    const file = parseDockerfile('FROM a\nCOPY <<EOF /x\nRUN no\nEOF\nRUN yes', 'f');
    expect(file.instructions.map(({ kind }) => kind)).toEqual(['from', 'copy', 'run']);
    expect(file.instructions[2]?.location.line).toBe(5);
  });

  test('an announcement may stand on a continued line', () => {
    const run = instruction('run', 'RUN a \\\n  <<EOF\nx\nEOF');
    expect(run.heredocs).toHaveLength(1);
    expect(run.location).toMatchObject({ line: 2, endLine: 5 });
  });

  test('COPY and ADD take them as sources by name', () => {
    const copy = instruction('copy', 'COPY a <<b.txt <<"c" /d/\nB $x\nb.txt\nC\nc\n');
    expect(copy).toMatchObject({
      sources: ['a'],
      destination: '/d/',
      heredocs: [
        { name: 'b.txt', expand: true, content: 'B $x\n' },
        { name: 'c', expand: false, content: 'C\n' },
      ],
    });
    expect(instruction('add', 'ADD <<f /f\nF\nf')).toMatchObject({ sources: [] });
  });

  test('ONBUILD hands them to its trigger', () => {
    expect(instruction('onbuild', 'ONBUILD RUN <<EOF\nx\nEOF')).toMatchObject({
      location: { line: 2, endLine: 4 },
      trigger: { kind: 'run', heredocs: [{ name: 'EOF', content: 'x\n' }] },
    });
  });

  test('a delimiter is one word', () => {
    expect(readHeredocWord('<<a b', HERE)).toBeUndefined();
    expect(readHeredocWord('<<"a b"', HERE)).toMatchObject({ name: 'a b', expand: false });
  });

  test.each([
    'RUN cat <<< EOF',
    'RUN cat <<<EOF',
    'RUN echo $((1<<2))',
    'RUN echo $((1 << 2))',
    'RUN echo "<<EOF"',
    "RUN echo '<<EOF'",
    'RUN echo \\<<EOF',
    "RUN echo it's <<EOF",
    'RUN ["cat", "<<EOF"]',
    'CMD cat <<EOF',
    'RUN a <<""',
  ])('%s announces none', (text) => {
    const file = parseDockerfile(`FROM a\n${text}\nRUN next`, 'f');
    expect(file.instructions).toHaveLength(3);
    expect(file.instructions[1]).not.toMatchObject({ heredocs: [{}] });
  });

  test('a missing delimiter is an error where the instruction starts', () => {
    const error = instructionError('RUN true\nRUN <<EOF\nx\nEOF \n');
    expect(error.message).toContain("'EOF'");
    expect(error.message).toContain('line 3');
    expect(error.hint).toContain('EOF');
    expect(place(error)).toBe('3:1');
  });

  test('a heredoc cannot be the destination', () => {
    const error = instructionError('COPY a <<EOF\nx\nEOF');
    expect(error.message).toBe('COPY has a heredoc as its destination');
    expect(place(error)).toBe('2:8');
  });

  test.each([
    `COPY it's <<EOF /x\nx\nEOF`,
    'COPY <<"a b" /x\nx\na b',
    'COPY a\u00a0<<EOF /x\nx\nEOF',
  ])('COPY with quotes that hide a heredoc is an error: %j', (text) => {
    expect(instructionError(text).location.line).toBe(2);
  });
});
