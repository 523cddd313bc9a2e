/** A terminal without a window. */
import { EventEmitter } from 'node:events';
import xterm from '@xterm/headless';

/** A terminal and what it shows. */
export function emulator(columns: number, rows: number) {
  const terminal = new xterm.Terminal({
    cols: columns,
    rows,
    allowProposedApi: true,
    // As the line discipline of a terminal does.
    convertEol: true,
  });
  const stream = Object.assign(new EventEmitter(), {
    columns,
    rows,
    write: (text: string) => terminal.write(text),
  });
  const shown = async () => {
    await new Promise<void>((done) => terminal.write('', done));
    const { active } = terminal.buffer;
    const lines = Array.from({ length: active.length }, (_, at) =>
      active.getLine(at)?.translateToString(true),
    );
    while (lines.at(-1) === '') lines.pop();
    return lines;
  };
  /** What is on the screen, without what has scrolled away. */
  const visible = async () => {
    const lines = await shown();
    return lines.slice(terminal.buffer.active.baseY).map((line) => line ?? '');
  };
  const resize = async (width: number, height: number) => {
    await shown();
    terminal.resize(width, height);
    Object.assign(stream, { columns: width, rows: height }).emit('resize');
  };
  return { stream, shown, visible, resize, terminal };
}
