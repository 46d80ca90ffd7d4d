/** `ztrainc init`: a template's files, written where nothing is in the way. */
import { cpSync, existsSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { findPackageRoot } from '../codegen/package-root.js';
import { nearest } from '../parser/nearest.js';
import { reasonOf } from '../node-host.js';
import { shownPath } from './specs.js';
import { Misuse, exits, streams } from './streams.js';

const templatesFolder = (): string => join(findPackageRoot().folder, 'templates');

const templateNames = (): readonly string[] =>
  readdirSync(templatesFolder(), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();

/** The first words of the template's page. */
const describe = (name: string): string => {
  const page = join(templatesFolder(), name, 'README.md');
  const lines = existsSync(page) ? readFileSync(page, 'utf8').split('\n') : [];
  return lines.find((line) => line.trim() !== '' && !line.startsWith('#'))?.trim() ?? '';
};

/** A package's own `.gitignore` does not survive `npm pack`, so templates have it without the dot. */
const targetName = (name: string): string => (name === 'gitignore' ? '.gitignore' : name);

const listTemplates = (): number => {
  const names = templateNames();
  const width = Math.max(...names.map((name) => name.length));
  for (const name of names) streams.print(`${name.padEnd(width)}  ${describe(name)}`.trimEnd());
  streams.say(`\nwrite one: ztrainc init ${names[0] ?? 'TEMPLATE'} [dir]`);
  return exits.well;
};

export const initCommand = (template: string | undefined, dir: string | undefined): number => {
  if (template === undefined) return listTemplates();
  const names = templateNames();
  if (!names.includes(template)) {
    const [near] = nearest(template, names, 1);
    const hint = near === undefined ? `there are ${names.join(', ')}` : `did you mean ${near}?`;
    throw new Misuse(`there is no template ${JSON.stringify(template)}; ${hint}`);
  }
  const source = join(templatesFolder(), template);
  const target = dir ?? template;
  const entries = readdirSync(source);
  const taken = entries.find((name) => existsSync(join(target, targetName(name))));
  if (taken !== undefined) {
    throw new Misuse(
      `${join(target, targetName(taken))} is there already and is not overwritten; name another folder`,
    );
  }
  try {
    cpSync(source, target, { recursive: true, errorOnExist: true, force: false });
    if (entries.includes('gitignore')) renameSync(join(target, 'gitignore'), join(target, '.gitignore'));
  } catch (error) {
    throw new Misuse(`cannot write ${target}: ${reasonOf(error)}`);
  }
  for (const name of entries) streams.say(`wrote ${shownPath(join(target, targetName(name)))}`);
  const spec = entries.find((name) => name.endsWith('.ztrain'));
  if (spec !== undefined) streams.say(`\nnext: ztrainc run ${join(target, spec)}`);
  return exits.well;
};
