/** A program that takes steps when it is told to (worker.ts, peers/protocol.py). */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { bench } from './places.mjs';

/** The command of one side of a comparison. */
export const commandOf = (side, { files, python, library, threads }) => {
  const { peer, mode, name, warmUp } = side;
  if (peer === 'ours') {
    const [compile, ...words] = mode.split('+');
    const options = { compile, single: words.includes('single'), warmUp, threads, library };
    return { program: process.execPath, args: [files[name], JSON.stringify(options)] };
  }
  if (peer === 'tfjs')
    return { program: process.execPath, args: [files.tfjs, JSON.stringify({ library, threads })] };
  const count = mode.split('+').includes('one_thread') ? 1 : threads;
  const script = join(bench, 'peers', `${peer}_worker.py`);
  return { program: python, args: [script, name, mode, String(warmUp), String(count)], count };
};

/** Starts one. `first` is the time from here to the end of its first step, in milliseconds. */
export const start = ({ program, args, count }, threads) => {
  const began = performance.now();
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      OMP_NUM_THREADS: String(count ?? threads),
      TF_CPP_MIN_LOG_LEVEL: '3',
      // On processors where TensorFlow leaves it out it is the peers' better setting, too.
      TF_ENABLE_ONEDNN_OPTS: '1',
    },
  });
  let faults = '';
  child.stderr.on('data', (text) => {
    faults = `${faults}${text}`.slice(-2000);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) {
        const how = await ended;
        throw new Error(`${program} ${args.join(' ')} ended (${how}) without an answer\n${faults}`);
      }
      // What a library prints is no answer.
      if (value.startsWith('{')) return JSON.parse(value);
    }
  };
  const ended = new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const tell = (order) => child.stdin.write(`${JSON.stringify(order)}\n`);
  child.stdin.on('error', () => undefined);
  return {
    first: async () => {
      await answer();
      return performance.now() - began;
    },
    ready: answer,
    take: (steps) => {
      tell({ steps });
      return answer();
    },
    end: async () => {
      tell({ end: true });
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await ended;
      clearTimeout(timer);
    },
    kill: () => child.kill('SIGKILL'),
  };
};
