/** A server that takes a connection and never answers. */
import type { Socket } from 'node:net';
import { createServer } from 'node:net';

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resume) => setTimeout(resume, 20));
}

/** A server of which each connection says `first` and then nothing. */
export async function silentServer(first: string) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => socket.write(first));
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const { port } = server.address() as { readonly port: number };
  return {
    host: `127.0.0.1:${port}`,
    /** Resolves when somebody has asked something. */
    asked: () => until(() => [...sockets].some(({ bytesRead }) => bytesRead > 0)),
    /** Resolves when nobody waits for an answer any more. */
    left: () => until(() => [...sockets].every(({ closed }) => closed)),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
