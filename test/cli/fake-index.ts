/** `uv` and `pip` that take wheels from a folder instead of the network, and behave as they are told. */
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeUnpacked, writeWheel, type MadeUpPackage } from '../made-up-library.js';

/**
 * What both do. `FAKE_MODE`: `hang` writes a part of a file, starts a process and never ends; `slow` takes a second; other words
 * are written to stderr before it fails.
 */
const program = `#!NODE
const { spawn } = require('node:child_process');
const { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } = require('node:fs');
const { basename, join } = require('node:path');
const words = process.argv.slice(2);
if (words[0] === '-c') process.exit(0);
if (words.includes('--version')) process.exit(process.env.FAKE_MODE === 'no pip' ? 1 : 0);
const uv = basename(process.argv[1]) === 'uv';
appendFileSync('LOG', JSON.stringify({ uv, words, pid: process.pid, tmp: process.env.TMPDIR }) + '\\n');
const to = words[words.indexOf(uv ? '--target' : '--dest') + 1];
const mode = process.env.FAKE_MODE ?? '';
const get = () => {
  for (const word of words.filter((one) => /^(tensorflow|nvidia)/.test(one))) {
    const name = /^[\\w-]+/.exec(word)[0].replaceAll('-', '_');
    const version = /==(.*)$/.exec(word)?.[1];
    const folder = readdirSync('INDEX').find((one) => one.startsWith(version ? name + '-' + version : name + '-'));
    if (folder === undefined) {
      console.error('ERROR: Could not find a version that satisfies the requirement ' + word + ' (from versions: 2.20.0rc0, 2.20.0)');
      process.exit(1);
    }
    cpSync(join('INDEX', folder, uv ? 'unpacked' : 'wheel'), to, { recursive: true });
  }
};
if (mode === 'hang') {
  mkdirSync(to, { recursive: true });
  writeFileSync(join(to, 'half.whl'), 'half');
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  appendFileSync('LOG', JSON.stringify({ pid: child.pid }) + '\\n');
  console.error('hanging');
  setInterval(() => undefined, 1000);
} else if (mode === 'slow') setTimeout(get, 1000);
else if (mode === '') get();
else {
  console.error(mode);
  process.exit(1);
}
`;

export interface Call {
  readonly uv?: boolean;
  readonly words?: readonly string[];
  readonly pid: number;
  readonly tmp?: string;
}

export interface FakeIndex {
  /** A folder for PATH that holds the program and Node. */
  readonly bin: (name: 'uv' | 'python3' | 'none') => string;
  readonly publish: (one: MadeUpPackage) => void;
  /** Since the beginning. */
  readonly calls: () => readonly Call[];
}

const isCall = (value: unknown): value is Call =>
  typeof value === 'object' && value !== null && 'pid' in value;

/** Everything lies in a folder, which is made. */
export const openIndex = (folder: string): FakeIndex => {
  const index = join(folder, 'index');
  const log = join(folder, 'calls.jsonl');
  mkdirSync(index, { recursive: true });
  const bin = (name: 'uv' | 'python3' | 'none'): string => {
    const place = join(folder, `bin-${name}`);
    if (existsSync(place)) return place;
    mkdirSync(place);
    symlinkSync(process.execPath, join(place, 'node'));
    symlinkSync('/bin/sleep', join(place, 'sleep'));
    if (name !== 'none') {
      const text = program
        .replace('NODE', process.execPath)
        .replaceAll('LOG', log)
        .replaceAll('INDEX', index);
      writeFileSync(join(place, name), text);
      chmodSync(join(place, name), 0o755);
    }
    return place;
  };
  return {
    bin,
    publish: (one) => {
      const place = join(index, `${one.name.replaceAll('-', '_')}-${one.version}`);
      writeWheel(join(place, 'wheel'), one);
      writeUnpacked(join(place, 'unpacked'), one);
    },
    calls: () =>
      existsSync(log)
        ? readFileSync(log, 'utf8')
            .trim()
            .split('\n')
            .map((line): unknown => JSON.parse(line))
            .filter(isCall)
        : [],
  };
};
