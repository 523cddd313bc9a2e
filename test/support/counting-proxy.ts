/** A proxy before a registry that writes down what is asked for. */
import { createServer, request as httpRequest } from 'node:http';

export interface CountingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** `METHOD PATH STATUS` of all requests that were answered. */
  readonly log: string[];
  readonly stop: () => Promise<void>;
}

/** @param target `127.0.0.1:PORT` of the registry */
export async function countRequests(target: string): Promise<CountingProxy> {
  const [hostname, port] = target.split(':');
  const log: string[] = [];
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    const passed = httpRequest({ hostname, port, method, path: url, headers }, (answer) => {
      log.push(`${method} ${url} ${answer.statusCode}`);
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    request.pipe(passed);
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    log,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resume) => server.close(resume));
    },
  };
}
