// A registry of this machine for benchmarks: Debian's docker-registry on a loopback port.
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** A port nobody listens on. */
export async function freePort() {
  const server = createServer();
  await new Promise((resume) => server.listen(0, '127.0.0.1', resume));
  const { port } = server.address();
  await new Promise((resume) => server.close(resume));
  return port;
}

/**
 * Starts a registry, which ends with this process.
 * @param work directory for its config
 * @param data directory for its blobs
 * @param log file that gets a line for each request
 * @returns `127.0.0.1:PORT`
 */
export async function startRegistry(work, data, log) {
  const host = `127.0.0.1:${await freePort()}`;
  mkdirSync(data);
  const config = `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${data}}}\nhttp: {addr: ${host}}\n`;
  writeFileSync(join(work, 'registry.yml'), config);
  const child = spawn('docker-registry', ['serve', join(work, 'registry.yml')], {
    stdio: ['ignore', log === undefined ? 'ignore' : openSync(log, 'a'), 'ignore'],
  });
  child.unref();
  process.on('exit', () => child.kill());
  for (;;) {
    try {
      if ((await fetch(`http://${host}/v2/`)).ok) return host;
    } catch {
      await new Promise((resume) => setTimeout(resume, 50));
    }
  }
}
