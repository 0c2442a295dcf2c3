// What stands in the fields at the beginning.

export const EXAMPLES = {
  similarity: {
    en: [
      "A man is playing a guitar on the street.",
      "Someone makes music outdoors.",
      "The stock market fell sharply on Monday.",
      "Shares lost much of their value.",
      "How do I bake bread without yeast?",
    ].join("\n"),
    zh: ["一名男子在街上弹吉他。", "有人在户外演奏音乐。", "周一股市大幅下跌。", "股票大幅贬值。", "不用酵母怎么烤面包？"].join("\n"),
  },
  "fill-mask": {
    en: (mask) => `The capital of France is ${mask}.`,
    zh: (mask) => `今天天气很${mask}，我们去公园玩。`,
  },
  tag: {
    en: "Marie Curie was born in Warsaw and worked at the University of Paris.",
    zh: "王小明在北京大学读书，毕业后去上海的一家银行工作。",
  },
  classify: {
    en: "The film was a delight from the first minute to the last.",
    zh: "房间很干净，服务也很周到，下次还会再来。",
  },
  generate: {
    en: "Once upon a time, there was a small village by the sea",
    zh: "从前，海边有一个小村庄",
  },
  attention: {
    en: "The cat did not cross the street because it was too tired.",
    zh: "那只猫没有过马路，因为它太累了。",
  },
};
