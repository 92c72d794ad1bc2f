/** The page of a peer in a real browser, against real peers on this machine, and against one that is hostile. */
import assert from 'node:assert/strict';
import axe, { type AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { Boards, type Board } from '../../demo/boards.ts';
import { heldBackDigit, type Digit } from '../../demo/pictures.ts';
import type { Api } from '../../src/api/server.ts';
import { findChromium, launchChromium, openPage } from '../support/chromium.ts';
import { fakePeer, member, OTHER, startFakeApi, TOKEN } from '../support/fake-peer.ts';

const BOARDS = 4;
const PATIENCE_MS = 60_000;
const PHONE = { width: 320, height: 640 };
const HOSTILE = `<img src=x onerror="alert(1)"></script><script>alert(2)</script>\u202egnp`;

/** As if the person let a picture go over the page. */
async function dropPicture(page: Page, png: Uint8Array): Promise<void> {
  const dropped = await page.evaluateHandle(`(() => {
    const bytes = Uint8Array.from(atob(${JSON.stringify(Buffer.from(png).toString('base64'))}), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], 'digit.png', { type: 'image/png' }));
    return transfer;
  })()`);
  await page.dispatchEvent('#drop', 'drop', { dataTransfer: dropped });
}

/** How far the page is wider than the window. */
const overflow = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

describe('The page of a peer', function () {
  this.timeout(240_000);
  let browser: Browser;
  before(async function () {
    const program = await findChromium();
    if (program === undefined) {
      console.log('      skipped: there is no Chromium on this machine ("apt-get install chromium" brings it)');
      this.skip();
    }
    browser = await launchChromium(program);
  });
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- where it was skipped there is none
  after(() => browser?.close());
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  describe('of a mesh', () => {
    let boards: Boards;
    let first: Board;
    let digit: Digit;

    before(async () => {
      digit = await heldBackDigit(5);
      boards = await Boards.start(BOARDS);
      await boards.formMesh();
      first = boards.boards[0]!;
    });
    after(() => boards.stop());

    /** A digit was asked over all boards, and its request is shown. */
    async function askDigit(page: Page): Promise<void> {
      await page.locator('#model option[value=lenet5]').waitFor({ state: 'attached' });
      await page.selectOption('#model', 'lenet5');
      await page.selectOption('#parallelism', String(BOARDS));
      const sent = page.waitForRequest(/\/models\/lenet5\/run\?/);
      await dropPicture(page, digit.png);
      const requestId = new URL((await sent).url()).searchParams.get('requestId')!;
      await page.locator('#answer .answer').waitFor({ timeout: PATIENCE_MS });
      await page.locator(`#request[data-shown='${requestId} answered']`).waitFor({ timeout: PATIENCE_MS });
    }

    it('shows every peer, and neither script nor policy has anything to complain of', async () => {
      const { page, complaints } = await openPage(browser, first.url.href);
      await page
        .locator('#peers .peer')
        .nth(BOARDS - 1)
        .waitFor();
      assert.deepEqual(
        (await page.locator('#peers .name').allTextContents()).sort(),
        boards.boards.map(({ name }) => name).sort(),
      );
      await page.locator('#connection', { hasText: 'live' }).waitFor();
      await page
        .locator('#links svg .node')
        .nth(BOARDS - 1)
        .waitFor();
      assert.match((await page.locator('#health').textContent())!, /fine: 4 of 4 alive/);
      assert.deepEqual(complaints, []);
    });

    it('answers a picture that is dropped on it, and shows its tiles, halos and times', async () => {
      const { page, complaints } = await openPage(browser, first.url.href);
      await askDigit(page);
      assert.equal(await page.locator('#answer .label').first().textContent(), String(digit.label));
      assert.equal(await page.locator('#answer tbody tr').count(), BOARDS);
      const blocks = await page.locator('.block-button').count();
      assert.ok(blocks > 1);
      for (let block = 0; block < blocks; block++) {
        await page.locator('.block-button').nth(block).click();
        const tiles = await page.locator('.pair figure').nth(1).locator('.tile').count();
        await page.locator('#chosen-block summary').click();
        assert.equal(await page.locator('#chosen-block tbody tr').count(), tiles);
        await page.locator('#chosen-block summary').click();
      }
      await page.locator('.block-button').first().click();
      assert.ok((await page.locator('.pair figure').first().locator('.halo').count()) > 0);
      assert.ok((await page.locator('#gantt .bar').count()) >= blocks);
      assert.ok((await page.locator('#gantt .move').count()) > 0);
      assert.equal(
        await page.locator('#gantt .bar.chosen').count(),
        await page.locator('.pair figure').nth(1).locator('.tile').count(),
      );
      assert.deepEqual(complaints, []);
    });

    it('can be used with the keyboard alone', async () => {
      const { page } = await openPage(browser, first.url.href);
      await askDigit(page);
      const focused = (what: string): Promise<string> => page.evaluate(`document.activeElement.${what}`);
      await page.evaluate('document.activeElement.blur()');
      await page.keyboard.press('Tab');
      assert.equal(await focused('className'), 'skip');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Tab');
      assert.equal(await focused('className'), 'peer-button');
      await page.keyboard.press('Space');
      assert.equal(await focused('getAttribute("aria-pressed")'), 'true');
      for (let peer = 0; peer < BOARDS; peer++) await page.keyboard.press('Tab');
      assert.equal(await focused('className'), 'block-button');
      await page.keyboard.press('ArrowRight');
      assert.match((await page.locator('#chosen-block h4').textContent())!, /^Block 2:/);
      assert.match(await focused('textContent'), /2\. /);
    });

    it('gives axe-core nothing to complain of, dark, light and on a phone', async () => {
      for (const looks of [{ colorScheme: 'dark' }, { colorScheme: 'light' }, { viewport: PHONE }] as const) {
        const { page } = await openPage(browser, first.url.href, looks);
        await askDigit(page);
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate<AxeResults>('axe.run()');
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []); // prettier-ignore
      }
    });

    it('fits a phone, and has landmarks, headings in order and a name for every picture', async () => {
      const { page } = await openPage(browser, first.url.href, { viewport: PHONE });
      await askDigit(page);
      await page.locator('#links-table tbody tr').first().waitFor({ state: 'attached' });
      assert.equal(await overflow(page), 0);
      for (const role of ['banner', 'main'] as const) assert.equal(await page.getByRole(role).count(), 1);
      const levels = await page.evaluate<number[]>(
        '[...document.querySelectorAll("main h2, main h3, main h4")].map(({ tagName }) => Number(tagName[1]))',
      );
      levels.reduce((before, level) => {
        assert.ok(level <= before + 1, `a heading of level ${level} follows one of level ${before}`);
        return level;
      }, 1);
      const nameless = await page.locator('svg[role=img]:not([aria-label]), img:not([alt]), button:empty').count();
      assert.equal(nameless, 0);
    });

    it('is dark where people want it dark, and still where they want no motion', async () => {
      const colour = async (colorScheme: 'dark' | 'light'): Promise<number> => {
        const { page } = await openPage(browser, first.url.href, { colorScheme, reducedMotion: 'reduce' });
        await page.locator('.meter > span').first().waitFor({ state: 'attached' });
        const transition = await page.evaluate(
          'getComputedStyle(document.querySelector(".meter > span")).transitionProperty',
        );
        assert.equal(transition, 'none');
        const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
        return Math.max(...background.match(/\d+/g)!.map(Number));
      };
      assert.ok((await colour('dark')) < 64 && (await colour('light')) > 192);
    });

    it('tells when a peer is gone, by itself', async () => {
      const { page, complaints } = await openPage(browser, first.url.href);
      await page
        .locator('#peers .peer')
        .nth(BOARDS - 1)
        .waitFor();
      const leaving = boards.boards.at(-1)!;
      boards.kill(leaving);
      const card = page.locator('#peers .peer.gone');
      await card.waitFor({ timeout: PATIENCE_MS });
      assert.equal(await card.locator('.name').textContent(), leaving.name);
      await page.locator('#announcements', { hasText: `${leaving.name}: failed` }).waitFor({ state: 'attached' });
      await page.locator('#events', { hasText: `${leaving.name} is gone` }).waitFor();
      assert.match((await page.locator('#health').textContent())!, /3 of 4 alive/);
      assert.deepEqual(complaints, []);
    });
  });

  describe('that cannot be trusted', () => {
    let api: Api;
    before(async () => {
      const peer = fakePeer({
        members: [member(), member({ id: OTHER, name: HOSTILE, version: HOSTILE, isSelf: false })],
      });
      api = await startFakeApi(peer, { host: '0.0.0.0' });
    });
    after(() => api.close());

    it('asks for the token until it is right, and keeps it for the tab', async () => {
      const { page } = await openPage(browser, `http://127.0.0.1:${api.port}/`);
      const enter = async (token: string): Promise<void> => {
        await page.getByLabel('Token', { exact: true }).fill(token);
        await page.keyboard.press('Enter');
      };
      await enter('wrong');
      await page.getByRole('alert').filter({ hasText: 'not right' }).waitFor();
      await enter(TOKEN);
      await page.locator('#peers .peer').nth(1).waitFor();
      await page.reload();
      await page.locator('#peers .peer').nth(1).waitFor();
      assert.equal(await page.locator('dialog[open]').count(), 0);
    });

    it('shows what peers call themselves as text, and without what turns text', async () => {
      const { page, complaints } = await openPage(browser, `http://127.0.0.1:${api.port}/`);
      await page.getByLabel('Token', { exact: true }).fill(TOKEN);
      await page.keyboard.press('Enter');
      const name = page.locator('#peers .name', { hasText: 'onerror' });
      await name.waitFor();
      assert.match((await name.textContent())!, /^<img src=x onerror="alert\(1\)">/);
      assert.doesNotMatch((await page.locator('main').textContent())!, /\u202e/);
      assert.equal(await page.locator('main img:not(#preview), main script').count(), 0);
      assert.deepEqual(
        complaints.filter((text) => !text.includes('401')),
        [],
      );
    });
  });
});
