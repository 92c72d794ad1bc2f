/** What describes machines to other programs, looked over by those programs' own tools. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { isProgram } from '../../bench/emulation/system.ts';

const PACKAGING = join(import.meta.dirname, '..');
const DEADLINE_MS = 240_000;

describe('descriptions of machines', function () {
  this.timeout(DEADLINE_MS);

  const needs = async (context: Mocha.Context, program: string): Promise<void> => {
    if (await isProgram(program)) return;
    console.log(`      skipped: "${program}" is not installed`);
    context.skip();
  };

  it('give systemd a unit that is walled in: exposure of 2.0 at most, of 10', async function () {
    await needs(this, 'systemd-analyze');
    const unit = join(PACKAGING, 'systemd/tilemesh.service');
    const args = ['security', '--no-pager', '--offline=true', '--threshold=20', unit];
    const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8', timeout: DEADLINE_MS });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /Overall exposure level for tilemesh\.service: [01]\.\d /);
  });

  it('give Docker a file that hadolint has nothing to say about', async function () {
    await needs(this, 'hadolint');
    execFileSync('hadolint', [join(PACKAGING, 'docker/Dockerfile')], { stdio: 'inherit', timeout: DEADLINE_MS });
  });

  it('give Ansible a role that ansible-lint passes for production', async function () {
    await needs(this, 'ansible-lint');
    const args = ['--offline', '--nocolor', '--profile', 'production', 'site.yml', 'roles'];
    const options = { cwd: join(PACKAGING, 'ansible'), encoding: 'utf8', timeout: DEADLINE_MS } as const;
    const { status, stdout, stderr } = spawnSync('ansible-lint', args, options);
    assert.equal(status, 0, stdout + stderr);
  });

  it('give boards scripts that shellcheck has nothing to say about', async function () {
    await needs(this, 'shellcheck');
    const scripts = ['postinst', 'prerm', 'postrm', 'tilemesh'].map((name) => join(PACKAGING, 'deb/debian', name));
    execFileSync('shellcheck', scripts, { stdio: 'inherit', timeout: DEADLINE_MS });
  });
});
