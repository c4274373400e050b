"""Natural English for the relations of sets that only give them codes: (phrase, inverse phrase)."""

from __future__ import annotations

Phrases = dict[str, tuple[str, str]]

UMLS: Phrases = {
    "adjacent_to": ("is adjacent to", "is adjacent to"),
    "affects": ("affects", "is affected by"),
    "analyzes": ("analyzes", "is analyzed by"),
    "assesses_effect_of": ("assesses the effect of", "has its effect assessed by"),
    "associated_with": ("is associated with", "is associated with"),
    "carries_out": ("carries out", "is carried out by"),
    "causes": ("causes", "is caused by"),
    "co-occurs_with": ("co-occurs with", "co-occurs with"),
    "complicates": ("complicates", "is complicated by"),
    "conceptual_part_of": ("is a conceptual part of", "has as a conceptual part"),
    "conceptually_related_to": ("is conceptually related to", "is conceptually related to"),
    "connected_to": ("is connected to", "is connected to"),
    "consists_of": ("consists of", "makes up"),
    "contains": ("contains", "is contained in"),
    "degree_of": ("is a degree of", "has as a degree"),
    "derivative_of": ("is a derivative of", "has as a derivative"),
    "developmental_form_of": ("is a developmental form of", "has as a developmental form"),
    "diagnoses": ("diagnoses", "is diagnosed by"),
    "disrupts": ("disrupts", "is disrupted by"),
    "evaluation_of": ("is an evaluation of", "is evaluated by"),
    "exhibits": ("exhibits", "is exhibited by"),
    "indicates": ("indicates", "is indicated by"),
    "ingredient_of": ("is an ingredient of", "has as an ingredient"),
    "interacts_with": ("interacts with", "interacts with"),
    "interconnects": ("interconnects", "is interconnected by"),
    "isa": ("is a kind of", "includes as a kind"),
    "issue_in": ("is an issue in", "has as an issue"),
    "location_of": ("is the location of", "is located in"),
    "manages": ("manages", "is managed by"),
    "manifestation_of": ("is a manifestation of", "is manifested by"),
    "measurement_of": ("is a measurement of", "has as a measurement"),
    "measures": ("measures", "is measured by"),
    "method_of": ("is a method of", "has as a method"),
    "occurs_in": ("occurs in", "is where there occurs"),
    "part_of": ("is part of", "has as a part"),
    "performs": ("performs", "is performed by"),
    "practices": ("practices", "is practiced by"),
    "precedes": ("precedes", "follows"),
    "prevents": ("prevents", "is prevented by"),
    "process_of": ("is a process of", "has as a process"),
    "produces": ("produces", "is produced by"),
    "property_of": ("is a property of", "has as a property"),
    "result_of": ("is a result of", "results in"),
    "surrounds": ("surrounds", "is surrounded by"),
    "treats": ("treats", "is treated by"),
    "uses": ("uses", "is used by"),
}

WN18RR: Phrases = {
    "_hypernym": ("is a kind of", "has as a kind"),
    "_derivationally_related_form": ("is derivationally related to",) * 2,
    "_member_meronym": ("has member", "is a member of"),
    "_has_part": ("has part", "is part of"),
    "_synset_domain_topic_of": ("belongs to the topic domain", "is the topic domain of"),
    "_instance_hypernym": ("is an instance of", "has the instance"),
    "_also_see": ("see also",) * 2,
    "_verb_group": ("is in the same verb group as",) * 2,
    "_member_of_domain_region": ("is the regional domain of", "belongs to the regional domain"),
    "_member_of_domain_usage": ("is the usage domain of", "belongs to the usage domain"),
    "_similar_to": ("is similar to",) * 2,
}

# In the source, _domain_region and _domain_topic hold each other's triples; the phrases follow
# what the triples say (midwifery, _domain_region, induction of labor).
WN11: Phrases = {
    "_has_instance": ("has as a kind", "is a kind of"),
    "_type_of": ("is a kind of", "has as a kind"),
    "_member_meronym": ("has member", "is a member of"),
    "_member_holonym": ("is a member of", "has member"),
    "_part_of": ("is part of", "has part"),
    "_has_part": ("has part", "is part of"),
    "_subordinate_instance_of": ("is an instance of", "has the instance"),
    "_domain_region": ("is the topic domain of", "belongs to the topic domain"),
    "_synset_domain_topic": ("belongs to the topic domain", "is the topic domain of"),
    "_similar_to": ("is similar to",) * 2,
    "_domain_topic": ("is the regional domain of", "belongs to the regional domain"),
}

COUNTRIES: Phrases = {
    "locatedin": ("is located in", "is the location of"),
    "neighbor": ("shares a border with",) * 2,
}

CONCEPTNET: Phrases = {
    "AtLocation": ("is found at", "is where one finds"),
    "CapableOf": ("can", "is something that can be done by"),
    "Causes": ("causes", "is caused by"),
    "CausesDesire": ("makes one want", "is wanted because of"),
    "CreatedBy": ("is created by", "creates"),
    "DefinedAs": ("is defined as", "defines"),
    "DesireOf": ("is a desire of", "has the desire"),
    "Desires": ("wants", "is wanted by"),
    "HasA": ("has", "is had by"),
    "HasFirstSubevent": ("begins with", "is the first step of"),
    "HasLastSubevent": ("ends with", "is the last step of"),
    "HasPainCharacter": ("has pain of the character", "is the character of the pain of"),
    "HasPainIntensity": ("has pain of the intensity", "is the intensity of the pain of"),
    "HasPrerequisite": ("requires", "is required for"),
    "HasProperty": ("has the property", "is a property of"),
    "HasSubevent": ("includes the step", "happens during"),
    "InheritsFrom": ("inherits from", "passes on to"),
    "InstanceOf": ("is an instance of", "has the instance"),
    "IsA": ("is a", "is a kind that includes"),
    "LocatedNear": ("is located near",) * 2,
    "LocationOfAction": ("is the location of the action", "takes place at"),
    "MadeOf": ("is made of", "is a material of"),
    "MotivatedByGoal": ("is done in order to", "is a reason to"),
    "NotCapableOf": ("cannot", "is something that cannot be done by"),
    "NotDesires": ("does not want", "is not wanted by"),
    "NotHasA": ("does not have", "is not had by"),
    "NotHasProperty": ("does not have the property", "is not a property of"),
    "NotIsA": ("is not a", "is not a kind that includes"),
    "NotMadeOf": ("is not made of", "is not a material of"),
    "PartOf": ("is a part of", "has the part"),
    "ReceivesAction": ("can be", "is what can be done to"),
    "RelatedTo": ("is related to",) * 2,
    "SymbolOf": ("is a symbol of", "is symbolized by"),
    "UsedFor": ("is used for", "is done with"),
}

METAQA: Phrases = {
    "directed_by": ("was directed by", "directed"),
    "has_genre": ("has the genre", "is the genre of"),
    "has_imdb_rating": ("has the rating", "is the rating of"),
    "has_imdb_votes": ("has the popularity", "is the popularity of"),
    "has_tags": ("has the tag", "is a tag of"),
    "in_language": ("is in the language", "is the language of"),
    "release_year": ("was released in", "is the year of release of"),
    "starred_actors": ("starred", "acted in"),
    "written_by": ("was written by", "wrote"),
}

PATHQUESTION: Phrases = {
    "cause_of_death": ("died of", "is the cause of death of"),
    "children": ("has the child", "is a child of"),
    "ethnicity": ("has the ethnicity", "is the ethnicity of"),
    "gender": ("has the gender", "is the gender of"),
    "institution": ("studied at", "is the place of study of"),
    "location": ("lived in", "is a place of residence of"),
    "nationality": ("has the nationality", "is the nationality of"),
    "parents": ("has the parent", "is a parent of"),
    "place_of_birth": ("was born in", "is the place of birth of"),
    "place_of_death": ("died in", "is the place of death of"),
    "profession": ("has the profession", "is the profession of"),
    "religion": ("has the religion", "is the religion of"),
    "spouse": ("is married to",) * 2,
}

CODEX_INVERSES: dict[str, str] = {
    "P26": "spouse",
    "P40": "is a child of",
    "P47": "shares border with",
    "P54": "sports team with the member",
    "P69": "is where somebody was educated:",
    "P102": "political party with the member",
    "P112": "is the founder of",
    "P131": "is the administrative territorial entity of",
    "P138": "is the namesake of",
    "P161": "is a cast member of",
    "P361": "has part",
    "P451": "unmarried partner",
    "P463": "has member",
    "P530": "diplomatic relation",
    "P737": "influenced",
    "P780": "is a symptom of",
    "P800": "is a notable work of",
    "P1050": "is a medical condition of",
    "P1056": "is produced by",
    "P1412": "is a language of",
    "P2283": "is used by",
    "P2578": "is studied by",
    "P3095": "practices",
    "P3373": "sibling",
}
"""Where 'is the (label) of' is not the inverse."""

# Ids are these phrases without their spaces.
NATIONS_PHRASES = """
accusation|aid enemy|attack embassy|block position index|book translations|boycott embargo
common bloc 0|common bloc 1|common bloc 2|conferences|dependent|duration|economic aid|e emigrants
embassy|emigrants 3|expel diplomats|export books|exports 3|independence|intergov orgs
intergov orgs 3|lost territory|military actions|military alliance|negative behavior|negative comm
ngo|ngo orgs 3|nonviolent behavior|official visits|p protests|rel book translations|rel diplomacy
rel economic aid|rel emigrants|rel export books|rel exports|rel intergov orgs|rel ngo|rel students
rel tourism|rel treaties|sever diplomatic|students|time since ally|time since war|tourism|tourism 3
treaties|unoffial acts|unweighted un vote|violent actions|warning|weighted un vote
"""
NELL_PHRASES = """
academic field concerns subject|academic field such as academic field
academic program at university|acquired|actor starred in movie|agent acts in location
agent belongs to organization|agent collaborates with agent|agent competes with agent
agent contributed to creative work|agent controls|agent created|agent involved with item
agent participated in event|agricultural product came from country
agricultural product coming from vertebrate|agricultural product contain chemical
agricultural product cooked with agricultural product
agricultural product cut into geometric shape
agricultural product growing in state or province
agricultural product grown in landscape features
agricultural product including agricultural product|agricultural product to attract insect
airport in city|animal develop disease|animal eat food|animal eat vegetable
animal is type of animal|animal preys on|animal such as fish|animal such as insect
animal such as invertebrate|animal that feed on insect|artery called artery
arthropod and other arthropod|arthropod called arthropod|at date|athlete beat athlete
athlete fly out to sports team position|athlete home stadium|athlete injured his body part
athlete led sports team|athlete plays for team|athlete plays in league|athlete plays sport
athlete plays sports team position|athlete wins award trophy tournament|at location
attraction of city|automaker produces model|automobile maker car dealers in state or province
automobile maker dealers in city|automobile maker dealers in country
award trophy tournament is the championship game of the national sport
bacteria is the causative agent of physiological condition|baked good served with beverage
bank bank in country|bank bought bank|beverage contains protein|beverage made from beverage
body part contains body part|book writer|building feature made from building material
building located in city|ceo of|chemical is type of chemical|city also known as
city capital of country|city lies on river|city located in country
city located in geopolitical location|city located in state|clothing made from plant
clothing to go with clothing|coaches in league|coaches team|coach won trophy
company also known as|company economic sector|competes with|concept prerequisite of
country also known as|country currency|country located in geopolitical location
director directed movie|drug has side effect|drug possibly treats physiological condition
drug worked on by agent|emotion associated with disease|father of person|fish served with food
food can cause disease|food decreases the risk of disease|furniture found in room|has husband
has office in city|has office in country|has sibling|has spouse|has wife|headquartered in
hobbies such as hobbies|hotel in city|invertebrate feed on food|is multiple of|is taller than
item found in room|journalist writes for publication|lake in state|language of country
language of university|latitude longitude|league stadiums|location located within location
mammal such as mammal|mother of person|mountain in state|museum in city|music artist genre
music genres such as music genres|musician in music artist|musician plays instrument
mutual proxy for|newspaper in city|object found in scene|object part of object
organization acronym has name|organization also known as|organization dissolved at date
organization headquartered in city|organization headquartered in country
organization headquartered in state or province|organization hired person
organization terminated person|parent of person|park in city|person also known as
person belongs to organization|person born in city|person born in location
person charged with crime|person died at age|person died in country
person graduated from university|person graduated school|person has citizenship
person has job position|person has residence in geopolitical location
person leads geopolitical organization|person leads organization
person moved to state or province|plant growing in plant|plant include plant
plant represent emotion|politician holds office|politician represents location
politician us endorsed by politician us|politician us holds office
politician us member of political group|produces product|profession is type of profession
profession uses tool|proxy for|radio station in city|river empties into river|specialization of
sport fans in country|sport has sports team position|sport school in country|sports game sport
sports game team|sports game winner|sport uses equipment|sport uses stadium
stadium located in city|state has capital|state located in country
state located in geopolitical location|state or province is bordered by state or province
sub part of|sub part of organization|synonym for|team also known as|team home stadium
team plays against team|team plays in city|team plays in league|team plays sport|team won trophy
television station affiliated with|television station in city|thing has color|thing has shape
top member of organization|tourist attraction such as tourist attraction|transportation in city
visual artist art form|weapon made in country|weapons such as weapons|works for
"""


def by_joined_words(phrases: str, prefix: str = "") -> Phrases:
    """Relation ids that are phrases without spaces, with the phrases.

    Args:
        phrases: Phrases separated by bars or line ends.
        prefix: What each id begins with.

    Returns:
        id -> (phrase, inverse phrase).
    """
    listed = phrases.strip().replace("\n", "|").split("|")
    return {prefix + p.replace(" ", ""): (p, f"inverse of {p}") for p in listed}
