"""Phrases for Freebase properties (FB15k-237), whose ids are ``/domain/type/property``.

Most read well from the structure of their id; the table has those that do not.
"""

from __future__ import annotations

from accord.text.phrases import Phrase, read_phrase, singular
from accord.text.render import humanise

AWARDED = ("shared an award with",) * 2
FRIEND = ("is a friend of",) * 2
PHRASES: dict[str, tuple[str, str]] = {
    "award_category/nominees./award/award_nomination/nominated_for": (
        "had the nominated work", "was nominated for"),
    "award_nominee/award_nominations./award/award_nomination/nominated_for": (
        "was nominated for the work", "has the award nominee"),
    "award_nominee/award_nominations./award/award_nomination/award": (
        "was nominated for the award", "has the nominee"),
    "award_nominee/award_nominations./award/award_nomination/award_nominee": (
        "shared an award nomination with",) * 2,
    "award_nominated_work/award_nominations./award/award_nomination/nominated_for": (
        "was nominated together with",) * 2,
    "award_winning_work/awards_won./award/award_honor/honored_for": (
        "was honored together with",) * 2,
    "award_ceremony/awards_presented./award/award_honor/honored_for": (
        "honored the work", "was honored at"),
    "award_ceremony/awards_presented./award/award_honor/award_winner": (
        "had the winner", "won an award at"),
    "award_winner/awards_won./award/award_honor/award_winner": AWARDED,
    "award_category/winners./award/award_honor/award_winner": ("has the winner", "won the award"),
    "award_category/winners./award/award_honor/ceremony": (
        "was presented at", "presented the award"),
    "award_winning_work/awards_won./award/award_honor/award_winner": (
        "earned an award for", "won an award for"),
    "award_winning_work/awards_won./award/award_honor/award": ("won the award", "was won by"),
    "award_category/disciplines_or_subjects": ("honors work in", "is a subject of the award"),
    "ranked_item/appears_in_ranked_lists./award/ranking/list": ("is ranked in", "ranks"),
    "organization_member/member_of./organization/organization_membership/organization": (
        "is a member of", "has the member"),
    "educational_institution/students_graduates./education/education/student": (
        "has the graduate", "graduated from"),
    "educational_institution/students_graduates./education/education/major_field_of_study": (
        "has graduates in", "was studied by graduates of"),
    "educational_degree/people_with_this_degree./education/education/student": (
        "is a degree of", "has the degree"),
    "educational_degree/people_with_this_degree./education/education/institution": (
        "is awarded by", "awards the degree"),
    "field_of_study/students_majoring./education/education/student": (
        "was studied by", "studied the subject"),
    "field_of_study/students_majoring./education/education/major_field_of_study": (
        "is studied together with",) * 2,
    "university/fraternities_and_sororities": (
        "has the fraternity or sorority", "is a fraternity or sorority at"),
    "cause_of_death/people": ("is the cause of death of", "died of"),
    "disease/notable_people_with_this_condition": ("is a condition of", "had the condition"),
    "ethnicity/people": ("is the ethnicity of", "has the ethnicity"),
    "job_title/people_with_this_title./business/employment_tenure/company": (
        "is a job title at", "has somebody with the job title"),
    "celebrity/friendship./base/popstra/friendship/participant": FRIEND,
    "celebrity/celebrity_friends./celebrities/friendship/friend": FRIEND,
    "celebrity/breakup./base/popstra/breakup/participant": ("broke up with",) * 2,
    "celebrity/dated./base/popstra/dated/participant": ("dated",) * 2,
    "celebrity/canoodled./base/popstra/canoodled/participant": ("canoodled with",) * 2,
    "celebrity/sexual_relationships./celebrities/romantic_relationship/celebrity": (
        "had a relationship with",) * 2,
    "location/adjoin_s./location/adjoining_relationship/adjoins": ("adjoins",) * 2,
    "location/contains": ("contains", "lies in"),
    "human_language/countries_spoken_in": ("is spoken in", "has speakers of"),
    "ethnicity/languages_spoken": ("speaks the language", "is spoken by"),
    "person/languages": ("speaks the language", "is spoken by"),
    "film/costume_design_by": ("has the costume designer", "is the costume designer of"),
    "film/film_production_design_by": (
        "has the production designer", "is the production designer of"),
    "film/film_art_direction_by": ("has the art director", "is the art director of"),
    "film/story_by": ("has a story by", "wrote the story of"),
    "film/executive_produced_by": ("has the executive producer", "is an executive producer of"),
    "film/produced_by": ("was produced by", "produced"),
    "film/written_by": ("was written by", "wrote"),
    "film/edited_by": ("was edited by", "edited"),
    "film/music": ("has music by", "made the music of"),
    "film/cinematography": ("has the cinematographer", "is the cinematographer of"),
    "film/language": ("is in the language", "is the language of"),
    "director/film": ("directed", "was directed by"),
    "actor/film./film/performance/film": ("acted in", "starred"),
    "film/prequel": ("has the prequel", "is the prequel of"),
    "film_set_designer/film_sets_designed": ("designed the sets of", "has sets designed by"),
    "special_film_performance_type/film_performance_type./film/performance/film": (
        "is a kind of performance in", "has a performance of the kind"),
    "tv_producer/programs_produced./tv/tv_producer_term/program": ("produced", "was produced by"),
    "artist/origin": ("comes from", "is the place of origin of"),
    "group_member/membership./music/group_membership/group": ("is a member of", "has the member"),
    "artist/contribution./music/recording_contribution/performance_role": (
        "performed on", "was performed by"),
    "artist/track_contributions./music/track_contribution/role": (
        "played on tracks", "was played on tracks by"),
    "instrument/instrumentalists": ("is played by", "plays the instrument"),
    "influence_node/influenced_by": ("was influenced by", "influenced"),
    "capital_of_administrative_division/capital_of./location/"
    "administrative_division_capital_relationship/administrative_division": (
        "is the capital of", "has the capital"),
    "statistical_region/places_exported_to./location/imports_and_exports/exported_to": (
        "exports goods to", "imports goods from"),
    "travel_destination/how_to_get_here./travel/transportation/mode_of_transportation": (
        "is reached by", "is a way to reach"),
    "organization_extra/phone_number./base/schemastaging/phone_sandbox/service_location": (
        "has a service phone in", "is a service location of"),
    "gardening_hint/split_to": ("was split into", "was split off from"),
    "non_profit_organization/registered_with./organization/non_profit_registration/"
    "registering_agency": ("is registered with", "has registered"),
    "seasonal_month/produce_available./base/localfood/produce_availability/seasonal_months": (
        "shares seasonal produce with",) * 2,
}  # fmt: skip


def is_freebase(identifier: str) -> bool:
    """Whether a relation's id is a Freebase property's."""
    return identifier.startswith("/") and identifier.count("/") > 2


def freebase_phrase(identifier: str, inverse: bool = False) -> Phrase | None:
    """The phrase of a Freebase property.

    Args:
        identifier: ``/domain/type/property`` or two of them joined by a dot, where the second is
            a property of the record that stands between.
        inverse: Read from tail to head.

    Returns:
        The phrase: from the table, else from the id's structure (``award in the award
        nominations`` for a joined pair); None for an inverse that is not in the table.
    """
    stated = PHRASES.get(identifier.split("/", 2)[2])
    if stated:
        return read_phrase(stated[inverse])
    return None if inverse else _structured(identifier)


def _structured(identifier: str) -> Phrase:
    first, _, second = identifier.partition("./")
    outer = humanise(first.removesuffix("_s"))
    inner = humanise(second.removesuffix("_s")) if second else ""
    if not inner or singular(inner).lower() in singular(outer).lower():
        return read_phrase(outer)
    noun = singular(inner)
    return Phrase("noun", noun, noun, f"in the {outer} of")
