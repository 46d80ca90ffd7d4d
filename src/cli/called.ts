/** How `ztrainc` was called, for lines that a reader is to type. */

/** `npx ztrainc` where npx ran it: a project's own installation is on nobody's path. */
export const calledAs = (environment: NodeJS.ProcessEnv = process.env): string =>
  environment['npm_lifecycle_event'] === 'npx' &&
  environment['npm_lifecycle_script']?.includes('ztrainc') === true
    ? 'npx ztrainc'
    : 'ztrainc';
